/** `sos-ci doctor` on a real Gerrit: its findings match the permissions of the seeded accounts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { PASSWORD } from '../real-gerrit/seed.ts';
import type { TestCase } from './case.ts';
import type { Section } from './case-config.ts';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
let testCase: TestCase;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
  testCase = await testbed.newCase();
  await testCase.checkout().push();
});
afterAll(() => testbed?.stop());

const OF_GERRIT = ['key', 'host-key', 'login', 'stream', 'account', 'clock', 'label'];

/** The findings about Gerrit, by check; other checks, such as the disk, depend on this machine. */
async function found(gerrit: Section, which: TestCase = testCase): Promise<Readonly<Record<string, string>>> {
  which.configure(gerrit);
  const { text } = await which.runCli('doctor', '--json');
  expect(text).not.toContain(PASSWORD);
  const { findings } = JSON.parse(text) as { findings: readonly { check: string; verdict: string }[] };
  const ours = findings.filter(({ check }) => OF_GERRIT.includes(check));
  return Object.fromEntries(ours.map(({ check, verdict }) => [check, verdict]));
}

const as = (user: string): Section => ({ user, key: testbed.gerrit.keyFile(user) });
const ALL_OK = Object.fromEntries(OF_GERRIT.map((check) => [check, 'ok']));

describe('doctor with REST', () => {
  test('reports no problem for an account that has all permissions', async () => {
    expect(await found(testbed.rest())).toEqual(ALL_OK);
  });

  test('reports an account that may not stream or may not vote', async () => {
    const deaf = await found({ ...testbed.rest(), ...as('deaf-ci') });
    expect(deaf).toMatchObject({ login: 'ok', stream: 'failure', account: 'ok' });
    expect(await found({ ...testbed.rest(), ...as('mute-ci') })).toEqual({ ...ALL_OK, label: 'failure' });
  });
});

describe('doctor over SSH alone', () => {
  test('finds the label, and reports which checks need REST', async () => {
    const answer = await found({});
    expect(answer).toMatchObject({ login: 'ok', stream: 'ok', label: 'unchecked', account: 'unchecked' });
  });

  test('reports a key of another account, and a host key of another server', async () => {
    const refused = await found({ user: 'dev' });
    expect(refused).toMatchObject({ 'host-key': 'ok', login: 'failure', stream: 'unchecked' });
    const knownHosts = join(testCase.directory, 'known_hosts');
    const { host, port } = testbed.gerrit;
    writeFileSync(knownHosts, `[${host}]:${port} ${makeKeyPair('host').publicKey}\n`);
    expect(await found({ knownHosts })).toMatchObject({ 'host-key': 'failure', login: 'unchecked' });
  });
});
