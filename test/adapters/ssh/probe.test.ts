import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canUseCgroups } from '../../../src/adapters/local/cgroup.ts';
import { probeNode } from '../../../src/adapters/ssh/probe.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { ROOT } from '../../house/source.ts';
import { NodeScratch } from './scratch.ts';

needs('sshd').describe('a probe of a node', () => {
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

  test('reports the node, with an unpinned host key, and pins none', async () => {
    const { port, user } = sshd;
    const address = { host: '127.0.0.1', port, user, directory: join(scratch.disk, 'a', 'b') };
    const probe = await probeNode(
      {
        provider: 'lab',
        address,
        config: scratch.config,
        hostKey: null,
        commands: ['/bin/sh', '/no/such-program', '/', '/etc/passwd'],
      },
      NEVER,
    );
    expect(probe).toMatchObject({
      missing: [],
      existing: scratch.disk,
      writable: true,
      canUseCgroups: await canUseCgroups(),
    });
    expect(probe.absent).toEqual(['/no/such-program', '/', '/etc/passwd']);
    expect(probe.freeBytes).toBeGreaterThan(0);
    expect(sshd.hostKey).toContain(probe.unpinned?.line);
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

  const probe = (directory: string, programs: readonly string[]) => {
    for (const program of programs) symlinkSync(`/usr/bin/${program}`, join(dir, 'bin', program));
    return spawnSync('/bin/sh', ['-s', '--', 'token', directory], {
      input: readFileSync(join(ROOT, 'src/adapters/ssh/probe.sh')),
      env: { PATH: join(dir, 'bin') },
      encoding: 'utf8',
    }).stdout;
  };

  test('reports missing programs', () => {
    expect(probe(dir, ['tail', 'df', 'grep', 'git', 'env'])).toMatch(
      new RegExp(
        `^token\nmissing flock setsid head stat mkfifo\nexisting ${dir} yes\nabsent\nfree \\d+\ngroup (yes|no)\n$`,
      ),
    );
  });

  test('leaves the free space empty if it is unknown', () => {
    expect(probe('/', [])).toMatch(/\nexisting \/ (yes|no)\nabsent\nfree \ngroup (yes|no)\n$/);
  });

  test('does not accept a file as a directory', () => {
    chmodSync(join(dir, 'bin'), 0o700);
    symlinkSync('/etc/passwd', join(dir, 'file'));
    expect(probe(join(dir, 'file', 'x'), [])).toContain(`\nexisting ${join(dir, 'file')} no\n`);
  });
});
