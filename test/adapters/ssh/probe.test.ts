import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mayGroup } from '../../../src/adapters/local/cgroup.ts';
import { probeNode } from '../../../src/adapters/ssh/probe.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { ROOT } from '../../house/source.ts';
import { NodeScratch } from './scratch.ts';

needs('sshd').describe('a look at a node', () => {
  let sshd: Sshd;
  let scratch: NodeScratch;
  beforeEach(async () => {
    sshd = await Sshd.start();
    scratch = new NodeScratch(sshd);
  });
  afterEach(async () => {
    rmSync(scratch.root, { recursive: true, force: true });
    await sshd.close();
  });

  test('tells what is there, by a key that nobody has pinned, and pins none', async () => {
    const { port, user } = sshd;
    const address = { host: '127.0.0.1', port, user, directory: join(scratch.disk, 'a', 'b') };
    const look = await probeNode(
      {
        provider: 'lab',
        address,
        config: scratch.config,
        hostKey: null,
        commands: ['/bin/sh', '/no/such-program', '/', '/etc/passwd'],
      },
      NEVER,
    );
    expect(look).toMatchObject({
      missing: [],
      folder: scratch.disk,
      writable: true,
      grouping: await mayGroup(),
    });
    expect(look.absent).toEqual(['/no/such-program', '/', '/etc/passwd']);
    expect(look.freeBytes).toBeGreaterThan(0);
    expect(sshd.hostKey).toContain(look.unpinned?.line);
    expect(readdirSync(scratch.root, { recursive: true })).toEqual(['node']);
  });
});

describe('the script', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sos-ci-look-'));
    mkdirSync(join(dir, 'bin'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const look = (directory: string, programs: readonly string[]) => {
    for (const program of programs) symlinkSync(`/usr/bin/${program}`, join(dir, 'bin', program));
    return spawnSync('/bin/sh', ['-s', '--', 'token', directory], {
      input: readFileSync(join(ROOT, 'src/adapters/ssh/probe.sh')),
      env: { PATH: join(dir, 'bin') },
      encoding: 'utf8',
    }).stdout;
  };

  test('names the programs that are missing', () => {
    expect(look(dir, ['tail', 'df', 'grep', 'git', 'env'])).toMatch(
      new RegExp(
        `^token\nmissing flock setsid head stat mkfifo\nfolder ${dir} yes\nabsent\nfree \\d+\ngroup (yes|no)\n$`,
      ),
    );
  });

  test('says when the free space is not known', () => {
    expect(look('/', [])).toMatch(/\nfolder \/ (yes|no)\nabsent\nfree \ngroup (yes|no)\n$/);
  });

  test('does not take a file for a folder', () => {
    chmodSync(join(dir, 'bin'), 0o700);
    symlinkSync('/etc/passwd', join(dir, 'file'));
    expect(look(join(dir, 'file', 'x'), [])).toContain(`\nfolder ${join(dir, 'file')} no\n`);
  });
});
