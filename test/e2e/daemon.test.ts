/** The daemon as a process: one for each database, stops quickly, and adopts running stages. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { markedProcesses } from '../../src/demo/observer.ts';
import type { TestCase } from './case.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed.stop());

const WAITING = 'while [ ! -e "$(dirname "$SOS_CI_WORKTREE")/../../../go" ]; do sleep 0.05; done\n';
const TAP = "printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

function release(testCase: TestCase): void {
  writeFileSync(join(testCase.directory, 'go'), '');
}

async function stagePids(testCase: TestCase): Promise<readonly string[]> {
  return (await markedProcesses(testCase.stateDir))
    .filter(({ command }) => command.includes('test.sh'))
    .map(({ pid, startTicks }) => `${pid} ${startTicks}`)
    .sort();
}

test('SIGTERM leaves the stage running and closes within 5 s; the next start adopts the same process', async () => {
  const testCase = await testbed.newCase({ testing: WAITING + TAP });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
  const before = await stagePids(testCase);
  expect(before.length).toBeGreaterThan(0);
  const stopStarted = performance.now();
  expect(await daemon.stop()).toBe(0);
  expect(performance.now() - stopStarted).toBeLessThan(5_000);
  const next = await testCase.startDaemon();
  expect(await stagePids(testCase)).toEqual(before);
  release(testCase);
  await testCase.eventually('all jobs have ended', () => testCase.allEnded());
  expect(testCase.ledger('testing')).toHaveLength(1);
  expect(testCase.messages(change)).toHaveLength(1);
  expect(await next.stop()).toBe(0);
  await testCase.close();
});

test('a second daemon exits and names pid and start time of the first; SIGKILL leaves no lock', async () => {
  const testCase = await testbed.newCase({});
  const first = await testCase.startDaemon();
  const second = testCase.spawnDaemon();
  expect(await second.ended).toBe(4);
  expect(second.log).toContain(`pid ${first.pid}`);
  expect(second.log).toMatch(/started \d{4}-\d\d-\d\dT/);
  await first.kill();
  const third = await testCase.startDaemon();
  expect(await third.stop()).toBe(0);
  await testCase.close();
});

test('drain finishes running jobs, starts no new ones, and exits', async () => {
  const testCase = await testbed.newCase({ testing: WAITING + TAP });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
  daemon.signal('SIGUSR1');
  await testCase.until(() => testbed.gerrit.streams === 0);
  const other = await testCase.push('not received\n');
  release(testCase);
  expect(await daemon.ended).toBe(0);
  expect(testCase.messages(change)).toHaveLength(1);
  expect(testCase.messages(other)).toEqual([]);
  expect(await testCase.leftovers()).toEqual([]);
  await testCase.close();
});

test('a changed host key is reported with the fix, and nothing is posted', async () => {
  const testCase = await testbed.newCase({});
  writeFileSync(
    join(testbed.directory, 'known_hosts'),
    `[127.0.0.1]:${testbed.gerrit.port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n`,
  );
  const logins = testbed.gerrit.counts.authenticated;
  const daemon = testCase.spawnDaemon();
  await testCase.eventually('the error is logged', () => daemon.log.includes('SHA256:'));
  expect(daemon.log).toContain('ssh-keyscan');
  expect(testbed.gerrit.counts.authenticated).toBe(logins);
  writeFileSync(join(testbed.directory, 'known_hosts'), testbed.gerrit.knownHosts);
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});
