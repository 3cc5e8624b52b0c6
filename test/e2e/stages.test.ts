/** Stages that behave like real tests, and daemons that are dead meanwhile; with real processes. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { markedProcesses } from '../../src/demo/observer.ts';
import type { Case, CaseOptions } from './case.ts';
import type { DaemonProcess } from './daemon-process.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const TAP = "printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

/** Starts a job and waits until its test stage runs. */
async function untilTesting(
  options: CaseOptions,
): Promise<{ one: Case; daemon: DaemonProcess; change: number }> {
  const one = await rig.newCase(options);
  const daemon = await one.startDaemon();
  const change = await one.push();
  await one.eventually('testing began', () => one.ledger('testing').length > 0);
  return { one, daemon, change };
}

async function verdictOf(one: Case, change: number): Promise<string> {
  await one.eventually('all has ended', () => one.allEnded());
  await one.eventually('nothing is left', async () => (await one.leftovers()).length === 0);
  expect(one.messages(change)).toHaveLength(1);
  expect(one.unsound()).toEqual([]);
  return one.jobs()[0]?.verdict ?? 'none';
}

test('a stage that ends while the daemon is dead keeps its result', async () => {
  const gate = (one: Case) => `${one.directory}/go`;
  const { one, daemon, change } = await untilTesting({
    testing: `while [ ! -e "$(dirname "$SOS_CI_WORKTREE")/../../../go" ]; do sleep 0.05; done\n${TAP}note ended\n`,
  });
  await daemon.kill();
  writeFileSync(gate(one), '');
  await one.eventually('the stage ended by itself', () => one.ledger('testing').length === 2);
  const next = await one.startDaemon();
  expect(await verdictOf(one, change)).toBe('SUCCESS');
  expect(one.ledger('testing').filter((line) => line.endsWith('began'))).toHaveLength(1);
  expect(await next.stop()).toBe(0);
  await one.close();
});

test('a stage that exceeds its deadline while the daemon is dead is killed without it', async () => {
  const { one, daemon, change } = await untilTesting({ testing: 'sleep 300\n', testTimeout: '2s' });
  await daemon.kill();
  await one.eventually('the runner ended it', async () => (await markedProcesses(one.stateDir)).length === 0);
  const next = await one.startDaemon();
  expect(await verdictOf(one, change)).toBe('TIMED_OUT');
  expect(one.messages(change)[0]).not.toContain('Verified');
  expect(await next.stop()).toBe(0);
  await one.close();
});

test('a stage that writes forever is read, truncated and killed at its deadline', async () => {
  const { one, daemon, change } = await untilTesting({
    testing: "yes 'the same line over and over'\n",
    testTimeout: '10s',
  });
  expect(await verdictOf(one, change)).toBe('TIMED_OUT');
  const log = one.published('testing.log');
  expect(log.length).toBeLessThan(68_000_000);
  expect(log.length).toBeGreaterThan(60_000_000);
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

test('a stage that ignores SIGTERM and leaves a child in a separate session leaves nothing', async () => {
  const stubborn =
    "trap '' TERM\nsetsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &\nwhile :; do sleep 1; done\n";
  const { one, daemon, change } = await untilTesting({ testing: stubborn, testTimeout: '2s' });
  expect(await verdictOf(one, change)).toBe('TIMED_OUT');
  expect(await markedProcesses(one.stateDir)).toEqual([]);
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

test('a stage whose processes are all killed is lost, and never a FAILURE', async () => {
  const { one, daemon, change } = await untilTesting({ testing: 'sleep 300\n' });
  for (const { pid } of await markedProcesses(one.stateDir)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Its parent's end took it along.
    }
  }
  expect(await verdictOf(one, change)).toBe('NODE_FAILURE');
  expect(one.messages(change)[0]).toContain('not a result of the patch');
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

test('a command that is missing on the node is a comment without a vote', async () => {
  const one = await rig.newCase({ testing: 'exec no-such-program\n' });
  const daemon = await one.startDaemon();
  const change = await one.push();
  expect(await verdictOf(one, change)).toBe('NODE_FAILURE');
  expect(one.messages(change)[0]).toContain('127');
  expect(one.messages(change)[0]).not.toContain('Verified');
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

/** `stestr last --subunit` of a real run in which the tests of extend failed. */
const STREAM = fileURLToPath(new URL('../samples/devstack-broken.subunit.gz', import.meta.url));

test('failed tests of a subunit stream are named in the comment', async () => {
  const results = '{format: subunit, file: logs/testr.subunit.gz}';
  const one = await rig.newCase({
    results,
    testing: `mkdir logs\ncp '${STREAM}' logs/testr.subunit.gz\nexit 1\n`,
  });
  const daemon = await one.startDaemon();
  const change = await one.push();
  expect(await verdictOf(one, change)).toBe('FAILURE');
  const tests = 'tempest.api.volume.test_volumes_extend.VolumesExtendTest.test_volume_extend';
  expect(one.messages(change)[0]).toContain(
    `2 of 55 tests failed: ${tests}, ${tests}_when_volume_has_snapshot`,
  );
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

test('a subunit stream of an earlier run is no result', async () => {
  const one = await rig.newCase({
    results: '{format: subunit, file: testr.subunit.gz}',
    stacking: `cp '${STREAM}' testr.subunit.gz\nmkdir .stestr\n`,
    testing: 'note "stestr $(ls -d .stestr)"\n',
  });
  const daemon = await one.startDaemon();
  const change = await one.push();
  expect(await verdictOf(one, change)).toBe('POST_FAILURE');
  expect(one.messages(change)[0]).not.toContain('Verified');
  expect(one.ledger('testing').at(-1)).toMatch(/stestr $/);
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

test('a non-zero exit without readable results is not FAILURE', async () => {
  const one = await rig.newCase({ testing: 'exit 3\n' });
  const daemon = await one.startDaemon();
  const change = await one.push();
  expect(await verdictOf(one, change)).toBe('POST_FAILURE');
  expect(one.messages(change)[0]).not.toContain('Verified');
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

test('a newer patchset cancels the older one and its processes; one review for the newer', async () => {
  const slow = `if [ "$SOS_CI_PATCHSET" = 1 ]; then sleep 300; fi\n${TAP}`;
  const { one, daemon, change } = await untilTesting({ testing: slow });
  await one.amend('a second patchset\n');
  expect(await verdictOf(one, change)).toBe('SUCCESS');
  expect(one.jobs().map(({ patchset, verdict }) => `${patchset} ${verdict}`)).toEqual([
    '2 SUCCESS',
    '1 ABORTED',
  ]);
  expect(one.messages(change)[0]).toContain('Patch Set 2: Verified+1');
  expect(await daemon.stop()).toBe(0);
  await one.close();
});

test('an abandoned change is not reported, and leaves nothing', async () => {
  const { one, daemon, change } = await untilTesting({ testing: 'sleep 300\n' });
  rig.gerrit.as('dev').abandon(change);
  await one.eventually('all has ended', () => one.allEnded());
  await one.eventually('nothing is left', async () => (await one.leftovers()).length === 0);
  expect(one.messages(change)).toEqual([]);
  expect(one.jobs()[0]?.verdict).toBe('ABORTED');
  expect(await daemon.stop()).toBe(0);
  await one.close();
});
