/** `sos-ci doctor` on a real Gerrit: its findings for each account match the seed of the site. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { PASSWORD } from '../real-gerrit/seed.ts';
import type { Case } from './case.ts';
import type { Section } from './case-config.ts';
import { Rig } from './rig.ts';
import { sharedGerrit } from './shared-gerrit.ts';

let rig: Rig;
let one: Case;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
  one = await rig.newCase();
  await one.checkout().push();
});
afterAll(() => rig?.stop());

const OF_GERRIT = ['key', 'host-key', 'login', 'stream', 'account', 'clock', 'label'];

/** What is found of Gerrit, by check; logs and disk are this machine's. */
async function found(gerrit: Section, which: Case = one): Promise<Readonly<Record<string, string>>> {
  which.configure(gerrit);
  const { text } = await which.ask('doctor', '--json');
  expect(text).not.toContain(PASSWORD);
  const { findings } = JSON.parse(text) as { findings: readonly { check: string; verdict: string }[] };
  const ours = findings.filter(({ check }) => OF_GERRIT.includes(check));
  return Object.fromEntries(ours.map(({ check, verdict }) => [check, verdict]));
}

function rest(): Section {
  const file = join(one.directory, 'http-password');
  writeFileSync(file, PASSWORD, { mode: 0o600 });
  return { rest: { url: rig.gerrit.url, password: { file } } };
}

const as = (user: string): Section => ({ user, key: rig.gerrit.keyFile(user) });
const ALL_OK = Object.fromEntries(OF_GERRIT.map((check) => [check, 'ok']));

describe('doctor with REST', () => {
  test('finds nothing wrong with an account that has every right', async () => {
    expect(await found(rest())).toEqual(ALL_OK);
  });

  test('finds that an account may not stream, or not vote', async () => {
    const deaf = await found({ ...rest(), ...as('deaf-ci') });
    expect(deaf).toMatchObject({ login: 'ok', stream: 'failure', account: 'ok' });
    expect(await found({ ...rest(), ...as('mute-ci') })).toEqual({ ...ALL_OK, label: 'failure' });
  });
});

describe('doctor over SSH alone', () => {
  test('sees the label, and says what it cannot check', async () => {
    const answer = await found({});
    expect(answer).toMatchObject({ login: 'ok', stream: 'ok', label: 'unchecked', account: 'unchecked' });
  });

  test('finds a key of another account, and a host key of another server', async () => {
    const refused = await found({ user: 'dev' });
    expect(refused).toMatchObject({ 'host-key': 'ok', login: 'failure', stream: 'unchecked' });
    const knownHosts = join(one.directory, 'known_hosts');
    const { host, port } = rig.gerrit;
    writeFileSync(knownHosts, `[${host}]:${port} ${makeKeyPair('host').publicKey}\n`);
    expect(await found({ knownHosts })).toMatchObject({ 'host-key': 'failure', login: 'unchecked' });
  });
});
