/**
 * A log server that goes away, hangs or has no space, and a daemon that is killed: the next call sends what is missing.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { cp, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { LogServerPublisher } from '../../../../src/adapters/evidence/log-server/publisher.ts';
import { collectRequest, failureOf, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { CuttingProxy } from '../../../fixtures/cutting-proxy.ts';
import { EXHAUSTIVE, LONG } from '../../../fixtures/effort.ts';
import { needs } from '../../../fixtures/needs.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { mountSmallDisk } from '../../../fixtures/small-disk.ts';
import { Sshd } from '../../../fixtures/sshd.ts';
import { ROOT } from '../../../house/source.ts';
import { type LocalRig, makeRig } from '../../logs/rig.ts';
import { logServerConfig } from './log-server.ts';

const { describe, it } = needs('sshd');
const PARENT = '45/912345/3/check/acme-dsvm';
const SHORT = JOB.slice(0, 12);
/** 15 MB or 3 MB, in files of which some are longer than the window of writes. */
const FILES = EXHAUSTIVE ? 10 : 2;
const FILE_BYTES = 1_500_000;

describe('a log server over SFTP', () => {
  let sshd: Sshd;
  let proxy: CuttingProxy;
  let rig: LocalRig;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd.close());
  beforeEach(async () => {
    proxy = await CuttingProxy.start(sshd.port);
    rig = await makeRig(
      undefined,
      async (root) => new LogServerPublisher(await logServerConfig(sshd, root, proxy.port)),
    );
  });
  afterEach(async () => {
    await rig.close();
    await proxy.close();
  });

  async function collect(files: number, bytes: number): Promise<void> {
    for (let number = 0; number < files; number += 1)
      await rig.writeTreeFile(JOB, `logs/${number}.txt`, textOf(bytes));
    await rig.writeTreeFile(JOB, 'logs/small/one.txt', 'one');
    await rig.start().collect(collectRequest({ server: rig.server, logs: ['logs'] }), NEVER);
  }

  const publish = () => rig.start().publish(publishRequest({ timeoutMs: 600_000 }), NEVER);

  /** Every published file is the composed one. */
  async function expectPublished(url: string): Promise<void> {
    const { files } = await rig.manifest(url);
    for (const { path, bytes } of files)
      expect((await stat(join(fileURLToPath(url), path))).size).toBe(bytes);
    const names = await readdir(join(rig.site, PARENT));
    expect(names.filter((name) => name !== 'index.html')).toEqual([SHORT]);
    // The directory publisher compares the checksums of all files before it accepts a directory as published.
    const local = await makeRig(rig.site);
    expect(await local.start().publish(publishRequest(), NEVER)).toBe(url);
    await local.close();
  }

  it('sends after SIGKILL only what is missing', LONG, async () => {
    const program = mkdtempSync(join(ROOT, '.cache', 'test-publish-'));
    try {
      await build({
        entryPoints: [new URL('./publish-program.ts', import.meta.url).pathname],
        outfile: join(program, 'publish.mjs'),
        ...{ bundle: true, format: 'esm', platform: 'node', packages: 'external', logLevel: 'silent' },
      });
      await collect(FILES, FILE_BYTES);
      await publish();
      const all = proxy.received;
      const content = await bytesBelow(rig.site);
      for (const tenth of EXHAUSTIVE ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : [5]) {
        await rm(rig.site, { recursive: true });
        await mkdir(rig.site);
        await killAfter((all * tenth) / 10, join(program, 'publish.mjs'));
        const there = await bytesBelow(rig.site);
        // Up to a window of writes was on its way when the process died.
        expect(there).toBeGreaterThan((content * tenth) / 10 - 1_500_000);
        const before = proxy.received;
        const url = await publish();
        const again = proxy.received - before;
        // Beside the content: the encryption, and a few requests for each file and for each part that is compared.
        expect(again).toBeLessThan((content - there) * 1.02 + 100_000 + FILES * 10_000);
        await expectPublished(url);
      }
    } finally {
      rmSync(program, { recursive: true });
    }
  });

  async function bytesBelow(path: string): Promise<number> {
    const entries = await readdir(path, { withFileTypes: true, recursive: true });
    const sizes = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    return (await Promise.all(sizes.map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0);
  }

  /** Publishes in another process, and kills it after that many bytes. */
  async function killAfter(bytes: number, program: string): Promise<void> {
    const url = new URL(`file://${rig.site}`).href;
    const config = await logServerConfig(sshd, rig.site, proxy.port);
    const request = publishRequest({ timeoutMs: 600_000 });
    const end = proxy.received + bytes;
    const argument = JSON.stringify({ stateDir: rig.stateDir, url, config, request });
    const child = spawn(process.execPath, [program, argument], { stdio: ['ignore', 'ignore', 'inherit'] });
    proxy.onReceived = () => {
      if (proxy.received >= end) child.kill('SIGKILL');
    };
    await new Promise((resolve) => child.once('exit', resolve));
    proxy.onReceived = () => {};
  }

  function cutAfterReceiving(bytes: number): void {
    const end = proxy.received + bytes;
    proxy.onReceived = () => {
      if (proxy.received < end) return;
      proxy.onReceived = () => {};
      proxy.cut();
    };
  }

  it('continues after the log server was away', async () => {
    await collect(2, 500_000);
    proxy.accepts = false;
    expect(await failureOf(publish())).toMatchObject({
      operation: 'connect to log server',
      retryable: true,
    });
    proxy.accepts = true;
    cutAfterReceiving(300_000);
    expect((await failureOf(publish())).retryable).toBe(true);
    await expectPublished(await publish());
  });

  it('ends at its deadline if the log server hangs', async () => {
    await collect(1, 1000);
    proxy.pause();
    const failure = await failureOf(rig.start().publish(publishRequest({ timeoutMs: 300 }), NEVER));
    expect(failure).toMatchObject({ retryable: true, message: 'took longer than 300ms' });
    proxy.resume();
    await expectPublished(await publish());
  });

  it('says that the disk is full, and continues when there is space', async (context) => {
    const disk = mountSmallDisk(rig.site, '8m');
    if (typeof disk === 'string') return context.skip(disk);
    try {
      await collect(3, 400_000);
      await mkdir(join(rig.site, PARENT), { recursive: true });
      await cp(await bulk(rig, 7_000_000), join(rig.site, 'other'));
      expect(await failureOf(publish())).toMatchObject({
        message: expect.stringContaining('is full'),
        retryable: true,
        hint: expect.stringContaining('free some space'),
      });
      await rm(join(rig.site, 'other'));
      await expectPublished(await publish());
    } finally {
      disk.close();
    }
  });

  it('replaces a partial file whose end differs', async () => {
    await collect(1, 200_000);
    cutAfterReceiving(100_000);
    await failureOf(publish());
    const temporary = join(rig.site, PARENT, `.sos-ci-${JOB}.1`);
    await mkdir(join(temporary, 'worktree/logs'), { recursive: true });
    await cp(await bulk(rig, 150_000), join(temporary, 'worktree/logs/0.txt'));
    await cp(await bulk(rig, 10), join(temporary, 'worktree/logs/foreign.txt'));
    await expectPublished(await publish());
  });

  it('needs only internal-sftp in a chroot', async (context) => {
    if (process.getuid?.() !== 0) context.skip('sshd changes its root only for files of root');
    const root = mkdtempSync('/run/sos-ci-chroot-');
    const chrooted = await Sshd.start([`ChrootDirectory ${root}`, 'ForceCommand internal-sftp']);
    try {
      await mkdir(join(root, 'logs'));
      const config = { ...(await logServerConfig(chrooted, join(root, 'logs'))), dir: '/logs' };
      const host = await makeRig(join(root, 'logs'), () => new LogServerPublisher(config));
      await host.writeStageLog(JOB, 1, 'testing', 'log\n');
      await host.start().collect(collectRequest(), NEVER);
      const url = await host.start().publish(publishRequest(), NEVER);
      expect(await host.read(url, 'attempt-1/testing.log')).toBe('log\n');
      await host.close();
    } finally {
      await chrooted.close();
      rmSync(root, { recursive: true });
    }
  });

  it.each([
    ['fsync,limits,statvfs', null],
    ['posix-rename', "use OpenSSH's SFTP server"],
  ])('copes with an SFTP server without %s', async (denied, hint) => {
    await collect(1, 10);
    const plain = await Sshd.start([`Subsystem sftp internal-sftp -P ${denied}`]);
    try {
      const host = await makeRig(
        rig.site,
        async (root) => new LogServerPublisher(await logServerConfig(plain, root)),
      );
      await host.writeStageLog(JOB, 1, 'testing', 'log\n');
      await host.start().collect(collectRequest(), NEVER);
      const published = host.start().publish(publishRequest(), NEVER);
      if (hint === null) expect(await host.read(await published, 'attempt-1/testing.log')).toBe('log\n');
      else expect(await failureOf(published)).toMatchObject({ retryable: false, hint });
      await host.close();
    } finally {
      await plain.close();
    }
  });

  it('refuses a log server with another host key, and a missing directory', async () => {
    await collect(1, 10);
    const config = await logServerConfig(sshd, rig.site);
    const other = await Sshd.start();
    const strange = { ...config, port: other.port };
    const unknown = await makeRig(rig.site, () => new LogServerPublisher(strange));
    await unknown.writeStageLog(JOB, 1, 'testing', 'log\n');
    await unknown.start().collect(collectRequest(), NEVER);
    expect(await failureOf(unknown.start().publish(publishRequest(), NEVER))).toMatchObject({
      operation: 'verify host key',
      retryable: false,
      hint: expect.stringContaining('ssh-keyscan'),
    });
    await unknown.close();
    await other.close();
    await rm(rig.site, { recursive: true });
    expect(await failureOf(publish())).toMatchObject({
      retryable: false,
      hint: expect.stringContaining('logs.ssh.dir'),
    });
  });
});

/** Lines of random text, which compresses badly. */
function textOf(bytes: number): string {
  return `${randomBytes(Math.ceil((bytes * 3) / 4))
    .toString('base64')
    .replaceAll(/.{76}/g, '$&\n')}\n`;
}

/** A file with about this many bytes of random text. */
async function bulk(rig: LocalRig, bytes: number): Promise<string> {
  await rig.writeTreeFile('bulk', 'bulk', textOf(bytes));
  return join(rig.tree, 'bulk');
}
