import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Finding } from '../../../src/app/doctor/finding.ts';
import { type DoctorOptions, doctorCommand } from '../../../src/cli/commands/doctor.ts';
import { type FakeIo, fakeIo } from '../../fakes/io.ts';
import { expectToFit } from '../widths.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-doctor-cli-'));
  file = join(dir, 'sos-ci.yaml');
  writeFileSync(join(dir, 'key'), 'key', { mode: 0o600 });
});
afterEach(() => rmSync(dir, { recursive: true }));

const RIGHT =
  "gerrit: {host: localhost, user: ci, key: key}\njobs: {acme: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}}\n";
const FINDINGS: readonly Finding[] = [
  { check: 'config', target: '/etc/sos-ci/sos-ci.yaml', verdict: 'ok', found: 'right; jobs: acme', fix: '' },
  {
    check: 'node-host-key',
    target: 'lab/node1',
    verdict: 'warning',
    found: 'it shows ssh-ed25519 SHA256:abc; it is not pinned, so any host at this address is trusted',
    fix: 'compare it, then write for node1: hostKey: ssh-ed25519 AAAA',
  },
  {
    check: 'login',
    target: 'ci@localhost:29418',
    verdict: 'failure',
    found: 'no connection to localhost:29418: \u001b[31mconnect ECONNREFUSED',
    fix: 'nothing listens on port 29418: is Gerrit up, and is its SSH port right?',
  },
  {
    check: 'stream',
    target: 'ci@localhost:29418',
    verdict: 'unchecked',
    found: 'no login',
    fix: '',
  },
];

async function printed(
  io: FakeIo,
  findings: readonly Finding[],
  options: DoctorOptions = {},
): Promise<number> {
  return doctorCommand(io, file, options, async () => findings);
}

describe('doctor', () => {
  test.each([
    [Number.POSITIVE_INFINITY, 1],
    [80, 1],
  ])('in %d columns', async (width, exit) => {
    writeFileSync(file, RIGHT);
    const io = fakeIo({ width });
    expect(await printed(io, FINDINGS, { all: true })).toBe(exit);
    await expect(io.stdout()).toMatchFileSnapshot(`../../golden/doctor-${width}.txt`);
  });

  test('fits every terminal', async () => {
    writeFileSync(file, RIGHT);
    const findings = async () => FINDINGS;
    await expectToFit('doctor', {}, (io) => doctorCommand(io, file, { all: true }, findings));
  });

  test('counts what is ok, unless it is to print it', async () => {
    writeFileSync(file, RIGHT);
    const io = fakeIo({ width: Number.POSITIVE_INFINITY });
    await printed(io, FINDINGS);
    expect(io.stdout()).not.toContain('right; jobs: acme');
    expect(io.stdout()).toMatch(/^warning {6}node-host-key /);
    expect(io.stdout()).toMatch(
      /\n\n1 ok, 1 warning, 1 FAILURE, 1 not checked; --all prints what is ok too\n$/,
    );
  });

  test('says in one line that all is ok', async () => {
    writeFileSync(file, RIGHT);
    const io = fakeIo();
    expect(await printed(io, FINDINGS.slice(0, 1))).toBe(0);
    expect(io.stdout()).toBe('1 ok, 0 warning, 0 FAILURE, 0 not checked; --all prints what is ok too\n');
  });

  test('as JSON', async () => {
    writeFileSync(file, RIGHT);
    const io = fakeIo();
    expect(await printed(io, FINDINGS, { json: true })).toBe(1);
    await expect(io.stdout().replaceAll(dir, '/DIR')).toMatchFileSnapshot('../../golden/doctor.json');
  });

  test('exits with 0 when nothing has failed, even if something could not be checked', async () => {
    writeFileSync(file, RIGHT);
    const io = fakeIo();
    expect(
      await printed(
        io,
        FINDINGS.filter(({ verdict }) => verdict !== 'failure'),
      ),
    ).toBe(0);
    expect(io.stdout()).toContain('1 ok, 1 warning, 0 FAILURE, 1 not checked');
  });

  test('lists every error of the configuration, and runs no other check', async () => {
    writeFileSync(file, `${RIGHT}hots: x\nlog: {level: loud}\n`);
    const io = fakeIo();
    const exit = await doctorCommand(io, file, { json: true }, () => Promise.reject(new Error('asked')));
    expect(exit).toBe(3);
    const { healthy, findings } = JSON.parse(io.stdout());
    expect(healthy).toBe(false);
    expect(findings).toMatchObject([
      { check: 'config', verdict: 'failure', target: `${file}:3:1` },
      { check: 'config', verdict: 'failure', found: expect.stringContaining('log.level') },
      { check: 'others', verdict: 'unchecked' },
    ]);
  });
});
