/** CI accounts that lack a permission, and a server with the wrong host key. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(() => testbed?.stop());

/** Logins and commands of an account in Gerrit's own log. */
function loginsOf(username: string, what: RegExp): readonly string[] {
  return readFileSync(join(testbed.gerrit.directory, 'site', 'logs', 'sshd_log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${username} `) && what.test(line));
}

test('a server with another host key gets no login and starts no job until known_hosts is corrected', async () => {
  const testCase = await testbed.newCase();
  const wrong = join(testCase.directory, 'known_hosts');
  const { host, port } = testbed.gerrit;
  writeFileSync(wrong, `[${host}]:${port} ${makeKeyPair('host').publicKey}\n`);
  testCase.configure({ knownHosts: wrong });
  const before = loginsOf('acme-ci', /LOGIN/).length;
  const rejected = testCase.spawnDaemon();
  await testCase.eventually('the operator is notified', async () =>
    /host key/i.test((await testCase.runCli('status')).text),
  );
  expect(loginsOf('acme-ci', /LOGIN/)).toHaveLength(before);
  expect(await rejected.stop()).toBe(0);
  writeFileSync(wrong, readFileSync(testbed.gerrit.knownHostsFile));
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  await testCase.reported(change);
  await testCase.settled();
  expect(await daemon.stop()).toBe(0);
});

test('an account that may not stream raises an alarm, and retries only a few times', async () => {
  const testCase = await testbed.newCase();
  testCase.configure({ user: 'deaf-ci', key: testbed.gerrit.keyFile('deaf-ci') });
  const daemon = testCase.spawnDaemon();
  const status = await testCase.eventually('the operator is notified', async () => {
    const { text } = await testCase.runCli('status');
    return /not permitted|stream-access-denied/.test(text) ? text : null;
  });
  expect(status).toContain('Stream Events');
  expect(loginsOf('deaf-ci', /stream-events/).length).toBeLessThan(10);
  expect(await daemon.stop()).toBe(0);
});

test('an account that may not vote comments without a vote, once, and the operator gets an alarm', async () => {
  const testCase = await testbed.newCase();
  testCase.configure({ user: 'mute-ci', key: testbed.gerrit.keyFile('mute-ci') });
  const daemon = testCase.spawnDaemon();
  await testCase.listening(daemon);
  const change = await testCase.checkout().push();
  await testCase.eventually('a comment', async () =>
    (await testCase.shown(change)).messages.some(({ author }) => author === 'mute-ci'),
  );
  await testCase.settled();
  const { messages, votes } = await testCase.shown(change);
  expect(messages.filter(({ author }) => author === 'mute-ci').map(({ text }) => text)).toEqual([
    expect.stringMatching(/^Patch Set 1:\n\nBuild succeeded/),
  ]);
  expect(votes).toMatchObject({ Verified: {} });
  expect((await testCase.runCli('status')).text).toContain('vote-rejected');
  expect(await daemon.stop()).toBe(0);
});

test('a label that Gerrit does not have loses only the vote, and raises an alarm', async () => {
  const testCase = await testbed.newCase({ report: { label: 'Nonesuch' } });
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const [message] = await testCase.reported(change);
  await testCase.settled();
  expect(message?.text).toMatch(/^Patch Set 1:\n\nBuild succeeded/);
  expect(await testCase.messages(change)).toHaveLength(1);
  expect(JSON.stringify((await testCase.shown(change)).votes)).not.toContain('acme-ci');
  expect((await testCase.runCli('status')).text).toContain('vote-dropped');
  expect(await daemon.stop()).toBe(0);
});
