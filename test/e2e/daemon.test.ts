/** The daemon from outside: one for each database, quick to stop, adopting running stages. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { markedProcesses } from '../../src/demo/observer.ts';
import type { Case } from './case.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const WAITING = 'while [ ! -e "$(dirname "$SOS_CI_WORKTREE")/../../../go" ]; do sleep 0.05; done\n';
const TAP = "printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

function letGo(one: Case): void {
  writeFileSync(join(one.directory, 'go'), '');
}

async function stagePids(one: Case): Promise<readonly string[]> {
  return (await markedProcesses(one.stateDir))
    .filter(({ command }) => command.includes('test.sh'))
    .map(({ pid, startTicks }) => `${pid} ${startTicks}`)
    .sort();
}

test('SIGTERM leaves the stage running and closes within 5 s; the next start adopts the same process', async () => {
  const one = await rig.newCase({ testing: WAITING + TAP });
  const daemon = await one.startDaemon();
  const change = await one.push();
  await one.eventually('testing began', () => one.ledger('testing').length > 0);
  const before = await stagePids(one);
  expect(before.length).toBeGreaterThan(0);
  const asked = performance.now();
  expect(await daemon.stop()).toBe(0);
  expect(performance.now() - asked).toBeLessThan(5_000);
  const next = await one.startDaemon();
  expect(await stagePids(one)).toEqual(before);
  letGo(one);
  await one.eventually('all has ended', () => one.allEnded());
  expect(one.ledger('testing')).toHaveLength(1);
  expect(one.messages(change)).toHaveLength(1);
  expect(await next.stop()).toBe(0);
  await one.close();
});

test('a second daemon is refused with pid and start time of the first; SIGKILL leaves no lock behind', async () => {
  const one = await rig.newCase({});
  const first = await one.startDaemon();
  const second = one.spawnDaemon();
  expect(await second.ended).toBe(4);
  expect(second.log).toContain(`pid ${first.pid}`);
  expect(second.log).toMatch(/started \d{4}-\d\d-\d\dT/);
  await first.kill();
  const third = await one.startDaemon();
  expect(await third.stop()).toBe(0);
  await one.close();
});

test('drain finishes what runs, accepts nothing new, and exits', async () => {
  const one = await rig.newCase({ testing: WAITING + TAP });
  const daemon = await one.startDaemon();
  const change = await one.push();
  await one.eventually('testing began', () => one.ledger('testing').length > 0);
  daemon.signal('SIGUSR1');
  await one.until(() => rig.gerrit.streams === 0);
  const other = await one.push('not heard\n');
  letGo(one);
  expect(await daemon.ended).toBe(0);
  expect(one.messages(change)).toHaveLength(1);
  expect(one.messages(other)).toEqual([]);
  expect(await one.leftovers()).toEqual([]);
  await one.close();
});

test('a changed host key is reported with the fix, and nothing is posted', async () => {
  const one = await rig.newCase({});
  writeFileSync(
    join(rig.directory, 'known_hosts'),
    `[127.0.0.1]:${rig.gerrit.port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n`,
  );
  const logins = rig.gerrit.counts.authenticated;
  const daemon = one.spawnDaemon();
  await one.eventually('it says so', () => daemon.log.includes('SHA256:'));
  expect(daemon.log).toContain('ssh-keyscan');
  expect(rig.gerrit.counts.authenticated).toBe(logins);
  writeFileSync(join(rig.directory, 'known_hosts'), rig.gerrit.knownHosts);
  expect(await daemon.stop()).toBe(0);
  await one.close();
});
