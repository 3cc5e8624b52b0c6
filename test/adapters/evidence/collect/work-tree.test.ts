/**
 * A work tree belongs to untrusted code. Collection takes only its regular files, reads nothing outside of it, and
 * stays within the limits.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { truncateSync } from 'node:fs';
import { chmod, chown, link, mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Manifest } from '../../../../src/adapters/evidence/publish/manifest.ts';
import type { EvidenceLimits } from '../../../../src/config/logs-config.ts';
import { type CollectRequest, collectRequest, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { EVIDENCE_LIMITS } from '../../../fixtures/bounds.ts';
import { runs } from '../../../fixtures/effort.ts';
import { everyByte, type LocalRig, makePipe, makeRig, readOrNull, writeAt } from '../../logs/rig.ts';

describe('a hostile work tree', () => {
  const { signal } = new AbortController();
  let rig: LocalRig;
  let canary: string;
  beforeEach(async () => {
    rig = await makeRig();
    canary = join(rig.base, 'outside');
    await writeAt(join(canary, 'secret.txt'), 'CANARY');
  });
  afterEach(() => rig.close());

  /** Collects and publishes. Returns the manifest, the collected paths, and why files were skipped. */
  async function publish(
    logs: readonly string[],
    limits: Partial<EvidenceLimits & Pick<CollectRequest, 'limitBytes' | 'limitFiles'>> = {},
  ): Promise<{ url: string; manifest: Manifest; paths: string[]; why: Record<string, string> }> {
    const { limitBytes = 1_000_000_000, limitFiles = 20_000, ...own } = limits;
    const evidence = rig.start({ limits: { ...EVIDENCE_LIMITS, ...own } });
    const request = collectRequest({ server: rig.server, logs, limitBytes, limitFiles });
    const collected = await evidence.collect(request, signal);
    const url = await evidence.publish(publishRequest(), signal);
    const manifest = await rig.manifest(url);
    expect(collected.skipped).toBe(manifest.skipped);
    const why = Object.fromEntries(manifest.skippedFiles.map((file) => [file.path, file.why]));
    return { url, manifest, paths: manifest.files.map((file) => file.path), why };
  }

  test('lists links, pipes, sockets and devices, and does not open them', async () => {
    const logs = join(rig.tree, 'logs');
    await writeAt(join(logs, 'good.log'), 'good');
    await symlink('/etc/passwd', join(logs, 'file-link'));
    await symlink(canary, join(logs, 'directory-link'));
    await symlink('.', join(logs, 'loop'));
    makePipe(join(logs, 'pipe'));
    const server = createServer().listen(join(logs, 'socket'));
    await once(server, 'listening');
    const expected: Record<string, string> = {
      'worktree/logs/file-link': 'a symbolic link',
      'worktree/logs/directory-link': 'a symbolic link',
      'worktree/logs/loop': 'a symbolic link',
      'worktree/logs/pipe': 'a pipe',
      'worktree/logs/socket': 'a socket',
    };
    if (process.getuid?.() === 0) {
      execFileSync('mknod', [join(logs, 'device'), 'c', '1', '5']);
      expected['worktree/logs/device'] = 'a device';
    }
    try {
      const { paths, why } = await publish(['logs']);
      expect(paths).toEqual(['worktree/logs/good.log']);
      expect(why).toEqual(expected);
    } finally {
      server.close();
    }
  });

  test('refuses a named path that goes through a link or out of the tree', async () => {
    await symlink(canary, join(rig.tree, 'out'));
    await symlink(join(canary, 'secret.txt'), join(rig.tree, 'direct.txt'));
    const named = ['out', 'out/secret.txt', 'direct.txt', '../outside', 'a/../../outside', '', 'no\0'];
    const { paths, why } = await publish([...named, canary, '/etc/passwd', 'missing/file']);
    expect(paths).toEqual([]);
    expect(why).toEqual({
      'worktree/out': 'a symbolic link',
      'worktree/out/secret.txt': 'a link, or not a directory',
      'worktree/direct.txt': 'a symbolic link',
      'worktree/../outside': 'the path leads out of the work tree',
      'worktree/a/../../outside': 'the path leads out of the work tree',
      'worktree/': 'the path is empty',
      'worktree/no\0': 'the path contains a NUL character',
      [`worktree/${canary}`]: 'the path is not relative to the work tree',
      'worktree//etc/passwd': 'the path is not relative to the work tree',
      'worktree/missing/file': 'not there',
    });
  });

  test('does not enter a work tree that is a link', async () => {
    await rig.close();
    await mkdir(rig.server.address, { recursive: true });
    await writeAt(join(canary, 'logs', 'x'), 'CANARY');
    await symlink(canary, rig.tree);
    const { paths, why } = await publish(['logs']);
    expect(paths).toEqual([]);
    expect(why).toEqual({ 'worktree/logs': 'the work tree is a link, or not a directory' });
  });

  test('does not follow a run directory or a log that is a link', async () => {
    await writeAt(join(canary, 'log'), 'CANARY');
    const run = join(rig.stateDir, 'runs', JOB, '1');
    await mkdir(join(run, 'testing'), { recursive: true });
    await symlink(canary, join(run, 'stacking'));
    await symlink(join(canary, 'log'), join(run, 'testing', 'log'));
    await symlink(join(canary, 'log'), join(run, 'testing', 'rc'));
    const { paths, why, manifest } = await publish([]);
    expect(paths).toEqual([]);
    expect(why).toEqual({
      'attempt-1/stacking.log': 'its run directory is a link, or not a directory',
      'attempt-1/testing.log': 'a symbolic link',
    });
    expect(manifest.stages).toMatchObject([{ stage: 'testing', end: null, log: null }]);
  });

  test('reads nothing outside while directories are swapped for links', async () => {
    await writeAt(join(rig.tree, 'logs', 'dir', 'secret.txt'), 'inside');
    await writeAt(join(rig.tree, 'logs', 'flip'), 'inside');
    makePipe(join(rig.tree, 'pipe'));
    // Changes logs/dir and logs/dir/secret.txt into links to the outside, logs/flip into a pipe, and back, as fast as
    // it can.
    const script = `const fs = require('node:fs');
      const dir = ${JSON.stringify(join(rig.tree, 'logs', 'dir'))}, out = ${JSON.stringify(canary)};
      const flip = ${JSON.stringify(join(rig.tree, 'logs', 'flip'))}, pipe = ${JSON.stringify(join(rig.tree, 'pipe'))};
      process.stdout.write('ready');
      for (const end = Date.now() + 60_000; Date.now() < end; ) {
        fs.renameSync(flip, flip + '-real'); fs.renameSync(pipe, flip); fs.renameSync(flip, pipe); fs.renameSync(flip + '-real', flip);
        fs.renameSync(dir, dir + '-real'); fs.symlinkSync(out, dir); fs.unlinkSync(dir); fs.renameSync(dir + '-real', dir);
        fs.renameSync(dir + '/secret.txt', dir + '/real.txt'); fs.symlinkSync(out + '/secret.txt', dir + '/secret.txt');
        fs.unlinkSync(dir + '/secret.txt'); fs.renameSync(dir + '/real.txt', dir + '/secret.txt');
      }`;
    const swapProcess = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(swapProcess, 'exit');
    try {
      await once(swapProcess.stdout, 'data');
      const evidence = rig.start();
      const staged = join(rig.stateDir, 'evidence', JOB, 'files');
      let seen = 0;
      for (let round = 0; round < runs(60, 15); round++) {
        await evidence.collect(
          collectRequest({ server: rig.server, logs: ['logs', 'logs/dir/secret.txt'] }),
          signal,
        );
        const text = await everyByte(staged);
        expect(text).not.toContain('CANARY');
        if (text.includes('inside')) seen += 1;
        // A pipe that was opened would appear as an empty file.
        const flipped = await readOrNull(join(staged, 'worktree', 'logs', 'flip'));
        expect([null, 'inside']).toContain(flipped);
      }
      expect(seen).toBeGreaterThan(0);
    } finally {
      swapProcess.kill('SIGKILL');
      await ended;
    }
  });

  test('makes names safe for URLs and web servers, and keeps them distinct', async () => {
    const logs = join(rig.tree, 'logs');
    const long = `${'n'.repeat(200)}.log`;
    const names = ['a b', 'a?b', 'a b.log', 'a<b>.log', '.htaccess', 'größe.txt', '-rf', '%2e%2e', long];
    for (const name of names) await writeAt(join(logs, name), name);
    await writeFile(Buffer.concat([Buffer.from(`${logs}/`), Buffer.from([0xff, 0xfe])]), 'x');
    const { url, manifest, why, paths } = await publish(['logs']);
    expect(paths.length).toBe(names.length);
    for (const file of manifest.files) {
      expect(file.path).toMatch(/^worktree\/logs\/[A-Za-z0-9_~-][A-Za-z0-9._+@=,~-]{0,124}$/);
      const original = file.original ?? file.path.slice('worktree/logs/'.length);
      expect(await rig.read(url, file.path)).toBe(original);
    }
    expect(paths).toContain('worktree/logs/_.htaccess');
    expect(paths).toContain('worktree/logs/a_b');
    expect(paths).toContain('worktree/logs/a_b~2');
    expect(Object.values(why)).toEqual(['its name is not UTF-8']);
  });

  test('truncates a sparse file of a terabyte at the limit', async () => {
    const file = join(rig.tree, 'logs', 'sparse');
    await writeAt(file, 'head');
    await truncate(file, 1_000_000_000_000);
    const { manifest } = await publish(['logs'], { maxFileBytes: 100_000 });
    expect(manifest.files).toMatchObject([{ bytes: 100_000, cutFrom: 1_000_000_000_000 }]);
  });

  test('copies a growing file up to its size at the start', async () => {
    const file = join(rig.tree, 'logs', 'growing.log');
    await writeAt(file, 'x'.repeat(1000));
    const evidence = rig.start({
      beforeStep: (step) => {
        if (step === 'copy worktree/logs/growing.log') truncateSync(file, 5000);
      },
    });
    const collected = await evidence.collect(collectRequest({ server: rig.server, logs: ['logs'] }), signal);
    expect(collected.bytes).toBe(1000);
  });

  test('limits bytes: lists files that do not fit, still takes smaller ones, truncates stage logs', async () => {
    await rig.writeStageLog(JOB, 1, 'testing', 'x'.repeat(300));
    await rig.writeTreeFile(JOB, 'logs/a-big', 'x'.repeat(800));
    await rig.writeTreeFile(JOB, 'logs/b-small', 'x'.repeat(100));
    const { paths, why } = await publish(['logs'], { limitBytes: 1000 });
    expect(paths).toEqual(['attempt-1/testing.log', 'worktree/logs/b-small']);
    expect(why).toEqual({ 'worktree/logs/a-big': 'over the limit of 1000 bytes for one job' });
    const cut = await rig.start().collect(collectRequest({ limitBytes: 200 }), signal);
    expect(cut).toEqual({ files: 1, bytes: 200, skipped: 0, url: expect.any(String) });
  });

  test('limits the number of files', async () => {
    for (let number = 10; number < 30; number++) await rig.writeTreeFile(JOB, `logs/${number}`, 'x');
    const few = await publish(['logs', 'other'], { limitFiles: 5 });
    expect(few.paths.length).toBe(5);
    expect(few.why['worktree/logs/15']).toBe('and everything after it: over the limit of 5 files');
  });

  test('limits the number of directory entries that are read', async () => {
    for (let number = 10; number < 30; number++) await rig.writeTreeFile(JOB, `logs/${number}`, 'x');
    const { paths, why } = await publish(['logs'], { maxEntries: 7 });
    expect(paths.length).toBe(7);
    expect(why).toEqual({ 'worktree/logs': 'over the limit of 7 directory entries' });
  });

  test('limits the depth', async () => {
    await rig.writeTreeFile(JOB, 'logs/1/2/3/4/x', 'x');
    await rig.writeTreeFile(JOB, 'logs/1/2/y', 'y');
    const { paths, why } = await publish(['logs'], { maxDepth: 3 });
    expect(paths).toEqual(['worktree/logs/1/2/y']);
    expect(why).toEqual({ 'worktree/logs/1/2/3': 'deeper than 3 directories' });
  });

  test('truncates a long list of skipped files, and counts all of them', async () => {
    await mkdir(join(rig.tree, 'logs'));
    for (let number = 10; number < 30; number++) await symlink('x', join(rig.tree, 'logs', String(number)));
    const { manifest, url } = await publish(['logs'], { maxIndexEntries: 3 });
    expect(manifest.skippedFiles.length).toBe(3);
    expect(manifest.skipped).toBe(20);
    expect(await rig.page(url)).toContain('And 17 more.');
  });

  test('collects a file once if it is named twice; a hard link is a file', async () => {
    await rig.writeTreeFile(JOB, 'logs/a', 'a');
    await link(join(rig.tree, 'logs', 'a'), join(rig.tree, 'logs', 'b'));
    const { paths } = await publish(['logs/a', 'logs', './logs//a', '.']);
    expect(paths).toEqual(['worktree/logs/a', 'worktree/logs/b']);
  });

  test('lists unreadable files', async () => {
    const logs = join(rig.tree, 'logs');
    await writeAt(join(logs, 'closed', 'a'), 'a');
    await writeAt(join(logs, 'locked.log'), 'b');
    await writeAt(join(logs, 'open.log'), 'c');
    await asNobody(rig, async () => {
      await chmod(join(logs, 'closed'), 0);
      await chmod(join(logs, 'locked.log'), 0);
      const { paths, why } = await publish(['logs', 'logs/closed/a']);
      expect(paths).toEqual(['worktree/logs/open.log']);
      expect(why).toEqual({
        'worktree/logs/closed': 'not readable',
        'worktree/logs/locked.log': 'not readable',
        'worktree/logs/closed/a': 'not readable',
      });
      // Unreadable directories do not prevent the removal.
      await writeAt(join(rig.stateDir, 'runs', JOB, '1', 'testing', 'log'), 'x');
      await chmod(join(rig.stateDir, 'runs', JOB, '1'), 0);
      await rig.start().discard(JOB, 'all');
      expect(await readdir(join(rig.stateDir, 'runs'))).toEqual([]);
    });
  });
});

/** Runs `work` as another user if these tests run as root, because root can read everything. */
async function asNobody(rig: LocalRig, work: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return work();
  for (const entry of await readdir(rig.base, { withFileTypes: true, recursive: true })) {
    await chown(join(entry.parentPath, entry.name), 65534, 65534);
  }
  await chown(rig.base, 65534, 65534);
  process.seteuid?.(65534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}
