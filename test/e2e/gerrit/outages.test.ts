/** Gerrit restarts, hangs, or loses a connection while the daemon works, and the daemon dies at the worst time. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StoreReader } from '../../../src/engine/ports/store.ts';
import { TcpProxy } from '../real-gerrit/tcp-proxy.ts';
import { Rig } from './rig.ts';

/** Attempts to post that failed. Before each post Gerrit is asked how the change is; both fail while it stands still. */
function failedAttempts(reader: StoreReader): number {
  return [...reader.histories()]
    .flatMap((history) => reader.rows(history))
    .filter(({ type }) => type === 'review.post-failed' || type === 'change-state.read-failed').length;
}

/** So short only here: a test has no time. */
const WATCHFUL = { streamIdleTimeout: '2s', commandTimeout: '3s' };

let rig: Rig;
let proxy: TcpProxy;
beforeAll(async () => {
  rig = await Rig.alone();
  proxy = await TcpProxy.start(rig.gerrit.host, rig.gerrit.port);
});
afterAll(async () => {
  await rig?.stop();
  await proxy?.stop();
});

/** The daemon's connections to Gerrit lead through the proxy, whose port has Gerrit's key too. */
function throughProxy(knownHosts: string): Readonly<Record<string, unknown>> {
  const key = readFileSync(rig.gerrit.knownHostsFile, 'utf8').split(' ').slice(1).join(' ');
  writeFileSync(knownHosts, `[${rig.gerrit.host}]:${proxy.port} ${key}`);
  return { port: proxy.port, knownHosts, ...WATCHFUL };
}

test('Gerrit is restarted while a job runs: the job continues, is reported once, and the next push arrives', async () => {
  const one = await rig.newCase({ testing: 'wait_for_go\npass\n', gerrit: WATCHFUL });
  const daemon = await one.startDaemon();
  const first = await one.checkout().push();
  await one.eventually('it runs', () => one.ledger('testing').length === 1);
  await rig.gerrit.stop();
  one.go();
  await one.eventually('the job has ended', () => one.jobs().every((job) => job.includes('SUCCESS')));
  await rig.gerrit.start();
  const second = await one.checkout().push();
  await one.reported(first);
  await one.reported(second);
  await one.settled(2);
  expect([await one.vote(first), await one.vote(second)]).toEqual([1, 1]);
  expect(await one.messages(first)).toHaveLength(1);
  expect(one.ledger('testing')).toHaveLength(2);
  expect(await daemon.stop()).toBe(0);
});

/** Gerrit stands still while a job ends, until its review has failed to go out more than once, and for so long. */
async function hangsWhileJobEnds(gerrit: Readonly<Record<string, string>>, forMs: number): Promise<void> {
  const one = await rig.newCase({ testing: 'wait_for_go\npass\n', gerrit });
  const daemon = await one.startDaemon();
  const first = await one.checkout().push();
  await one.eventually('it runs', () => one.ledger('testing').length === 1);
  const since = performance.now();
  rig.gerrit.suspend();
  try {
    one.go();
    await one.eventually('the job has ended', () => one.jobs().every((job) => job.includes('SUCCESS')));
    const limitMs = forMs + 120_000;
    const silent = async () => /not connected/.test((await one.ask('status')).text);
    await one.eventually('the silence is noticed', silent, limitMs);
    const failed = () => one.read((reader) => failedAttempts(reader) > 1);
    await one.eventually('posting has failed more than once', failed, limitMs);
    await one.eventually('the time is over', () => performance.now() - since > forMs, limitMs);
  } finally {
    rig.gerrit.resume();
  }
  const second = await one.checkout().push();
  await one.reported(first);
  await one.reported(second);
  await one.settled(2);
  expect(await one.messages(first)).toHaveLength(1);
  expect([await one.vote(first), await one.vote(second)]).toEqual([1, 1]);
  expect(one.ledger('testing')).toHaveLength(2);
  expect(await daemon.stop()).toBe(0);
}

test('Gerrit hangs past every timeout while a job ends: reported once when it is back', () =>
  hangsWhileJobEnds(WATCHFUL, 0));

test('Gerrit hangs for three minutes, with default timeouts: reported once when it is back', () =>
  hangsWhileJobEnds({}, 180_000));

test('the review reaches Gerrit, its answer does not reach the daemon, which is killed: no second comment', async () => {
  const one = await rig.newCase();
  one.configure(throughProxy(join(one.directory, 'known_hosts')));
  const daemon = await one.startDaemon();
  const change = await one.checkout().push();
  await proxy.holdAnswersOnce(async () => (await one.messages(change)).length > 0);
  await daemon.kill();
  proxy.heal();
  proxy.cutAll();
  const next = await one.startDaemon();
  await one.settled();
  expect(await one.messages(change)).toHaveLength(1);
  expect(await one.vote(change)).toBe(1);
  expect(await next.stop()).toBe(0);
});

test('a connection is cut in the middle of an event: the change is still tested, once', async () => {
  const one = await rig.newCase();
  one.configure(throughProxy(join(one.directory, 'known_hosts')));
  const daemon = await one.startDaemon();
  const cut = proxy.cutAfter(40_000);
  // Gerrit's event holds the commit message, so this event comes in several pieces.
  const change = await one.checkout().push({ footer: `${'a long story\n'.repeat(10_000)}\n` });
  await cut;
  await one.reported(change);
  await one.settled();
  expect(await one.messages(change)).toHaveLength(1);
  expect(one.ledger('testing')).toHaveLength(1);
  expect(await daemon.stop()).toBe(0);
});
