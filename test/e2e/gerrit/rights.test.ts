/** A CI account that lacks a permission, and a server with the wrong host key. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { Rig } from './rig.ts';
import { sharedGerrit } from './shared-gerrit.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
});
afterAll(() => rig?.stop());

/** Logins and commands of an account in Gerrit's own log. */
function loginsOf(username: string, what: RegExp): readonly string[] {
  return readFileSync(join(rig.gerrit.directory, 'site', 'logs', 'sshd_log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${username} `) && what.test(line));
}

test('a server with another host key gets no login and no job, until its key is corrected', async () => {
  const one = await rig.newCase();
  const wrong = join(one.directory, 'known_hosts');
  const { host, port } = rig.gerrit;
  writeFileSync(wrong, `[${host}]:${port} ${makeKeyPair('host').publicKey}\n`);
  one.configure({ knownHosts: wrong });
  const before = loginsOf('acme-ci', /LOGIN/).length;
  const misled = one.spawnDaemon();
  await one.eventually('the operator is told', async () => /host key/i.test((await one.ask('status')).text));
  expect(loginsOf('acme-ci', /LOGIN/)).toHaveLength(before);
  expect(await misled.stop()).toBe(0);
  writeFileSync(wrong, readFileSync(rig.gerrit.knownHostsFile));
  const daemon = await one.startDaemon();
  const change = await one.checkout().push();
  await one.reported(change);
  await one.settled();
  expect(await daemon.stop()).toBe(0);
});

test('an account that may not stream raises an alarm, and retries only a few times', async () => {
  const one = await rig.newCase();
  one.configure({ user: 'deaf-ci', key: rig.gerrit.keyFile('deaf-ci') });
  const daemon = one.spawnDaemon();
  const status = await one.eventually('the operator is told', async () => {
    const { text } = await one.ask('status');
    return /not permitted|stream-access-denied/.test(text) ? text : null;
  });
  expect(status).toContain('Stream Events');
  expect(loginsOf('deaf-ci', /stream-events/).length).toBeLessThan(10);
  expect(await daemon.stop()).toBe(0);
});

test('an account that may not vote comments without a vote, once, and the operator gets an alarm', async () => {
  const one = await rig.newCase();
  one.configure({ user: 'mute-ci', key: rig.gerrit.keyFile('mute-ci') });
  const daemon = one.spawnDaemon();
  await one.listening(daemon);
  const change = await one.checkout().push();
  await one.eventually('a comment', async () =>
    (await one.shown(change)).messages.some(({ author }) => author === 'mute-ci'),
  );
  await one.settled();
  const { messages, votes } = await one.shown(change);
  expect(messages.filter(({ author }) => author === 'mute-ci').map(({ text }) => text)).toEqual([
    expect.stringMatching(/^Patch Set 1:\n\nBuild succeeded/),
  ]);
  expect(votes).toMatchObject({ Verified: {} });
  expect((await one.ask('status')).text).toContain('vote-rejected');
  expect(await daemon.stop()).toBe(0);
});

test('a label that Gerrit does not have costs only the vote, and raises an alarm', async () => {
  const one = await rig.newCase({ report: { label: 'Nonesuch' } });
  const daemon = await one.startDaemon();
  const change = await one.checkout().push();
  const [message] = await one.reported(change);
  await one.settled();
  expect(message?.text).toMatch(/^Patch Set 1:\n\nBuild succeeded/);
  expect(await one.messages(change)).toHaveLength(1);
  expect(JSON.stringify((await one.shown(change)).votes)).not.toContain('acme-ci');
  expect((await one.ask('status')).text).toContain('vote-dropped');
  expect(await daemon.stop()).toBe(0);
});
