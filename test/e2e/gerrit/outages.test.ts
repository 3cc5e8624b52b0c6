/** Gerrit restarts, hangs or loses a connection while jobs run, and the daemon is killed at the worst time. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StoreReader } from '../../../src/engine/ports/store.ts';
import { TcpProxy } from '../real-gerrit/tcp-proxy.ts';
import { Testbed } from './testbed.ts';

/** Failed attempts to post. Before each post the daemon reads the state of the change; both fail while Gerrit hangs. */
function failedAttempts(reader: StoreReader): number {
  return [...reader.histories()]
    .flatMap((history) => reader.rows(history))
    .filter(({ type }) => type === 'review.post-failed' || type === 'change-state.read-failed').length;
}

/** Shorter than the defaults, to keep the tests short. */
const SHORT_TIMEOUTS = { streamIdleTimeout: '2s', commandTimeout: '3s' };

let testbed: Testbed;
let proxy: TcpProxy;
beforeAll(async () => {
  testbed = await Testbed.alone();
  proxy = await TcpProxy.start(testbed.gerrit.host, testbed.gerrit.port);
});
afterAll(async () => {
  await testbed?.stop();
  await proxy?.stop();
});

/** Settings that route the daemon's connections through the proxy, whose port has Gerrit's host key. */
function throughProxy(knownHosts: string): Readonly<Record<string, unknown>> {
  const key = readFileSync(testbed.gerrit.knownHostsFile, 'utf8').split(' ').slice(1).join(' ');
  writeFileSync(knownHosts, `[${testbed.gerrit.host}]:${proxy.port} ${key}`);
  return { port: proxy.port, knownHosts, ...SHORT_TIMEOUTS };
}

test('Gerrit is restarted while a job runs: the job continues, is reported once, and the next push arrives', async () => {
  const testCase = await testbed.newCase({ testing: 'wait_for_go\npass\n', gerrit: SHORT_TIMEOUTS });
  const daemon = await testCase.startDaemon();
  const first = await testCase.checkout().push();
  await testCase.eventually('the job runs', () => testCase.ledger('testing').length === 1);
  await testbed.gerrit.stop();
  testCase.go();
  await testCase.eventually('the job has ended', () =>
    testCase.jobs().every((job) => job.includes('SUCCESS')),
  );
  await testbed.gerrit.start();
  const second = await testCase.checkout().push();
  await testCase.reported(first);
  await testCase.reported(second);
  await testCase.settled(2);
  expect([await testCase.vote(first), await testCase.vote(second)]).toEqual([1, 1]);
  expect(await testCase.messages(first)).toHaveLength(1);
  expect(testCase.ledger('testing')).toHaveLength(2);
  expect(await daemon.stop()).toBe(0);
});

/** Suspends Gerrit while a job ends, for at least `forMs`, and until posting its review has failed more than once. */
async function hangsWhileJobEnds(gerrit: Readonly<Record<string, string>>, forMs: number): Promise<void> {
  const testCase = await testbed.newCase({ testing: 'wait_for_go\npass\n', gerrit });
  const daemon = await testCase.startDaemon();
  const first = await testCase.checkout().push();
  await testCase.eventually('the job runs', () => testCase.ledger('testing').length === 1);
  const since = performance.now();
  testbed.gerrit.suspend();
  try {
    testCase.go();
    await testCase.eventually('the job has ended', () =>
      testCase.jobs().every((job) => job.includes('SUCCESS')),
    );
    const limitMs = forMs + 120_000;
    // The command last: polling it keeps a processor busy.
    await testCase.eventually('the outage was long enough', () => performance.now() - since > forMs, limitMs);
    const failed = () => testCase.read((reader) => failedAttempts(reader) > 1);
    await testCase.eventually('posting has failed more than once', failed, limitMs);
    const silent = async () => /not connected/.test((await testCase.runCli('status')).text);
    await testCase.eventually('the lost connection is detected', silent, limitMs);
  } finally {
    testbed.gerrit.resume();
  }
  const second = await testCase.checkout().push();
  await testCase.reported(first);
  await testCase.reported(second);
  await testCase.settled(2);
  expect(await testCase.messages(first)).toHaveLength(1);
  expect([await testCase.vote(first), await testCase.vote(second)]).toEqual([1, 1]);
  expect(testCase.ledger('testing')).toHaveLength(2);
  expect(await daemon.stop()).toBe(0);
}

test('Gerrit hangs past every timeout while a job ends: reported once when it is back', () =>
  hangsWhileJobEnds(SHORT_TIMEOUTS, 0));

test('Gerrit hangs for three minutes, with default timeouts: reported once when it is back', () =>
  hangsWhileJobEnds({}, 180_000));

test('the daemon is killed after Gerrit accepts a review but before its response arrives: no second comment', async () => {
  const testCase = await testbed.newCase();
  testCase.configure(throughProxy(join(testCase.directory, 'known_hosts')));
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  await proxy.holdResponsesWhen(async () => (await testCase.messages(change)).length > 0);
  await daemon.kill();
  proxy.heal();
  proxy.cutAll();
  const next = await testCase.startDaemon();
  await testCase.settled();
  expect(await testCase.messages(change)).toHaveLength(1);
  expect(await testCase.vote(change)).toBe(1);
  expect(await next.stop()).toBe(0);
});

test('a connection is cut in the middle of an event: the change is still tested, once', async () => {
  const testCase = await testbed.newCase();
  testCase.configure(throughProxy(join(testCase.directory, 'known_hosts')));
  const daemon = await testCase.startDaemon();
  const cut = proxy.cutAfter(40_000);
  // Gerrit's event holds the commit message, so this event comes in several pieces.
  const change = await testCase.checkout().push({ footer: `${'a long story\n'.repeat(10_000)}\n` });
  await cut;
  await testCase.reported(change);
  await testCase.settled();
  expect(await testCase.messages(change)).toHaveLength(1);
  expect(testCase.ledger('testing')).toHaveLength(1);
  expect(await daemon.stop()).toBe(0);
});
