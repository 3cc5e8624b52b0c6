/** Stages that behave like real tests, some of them while the daemon is dead; with real processes. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { markedProcesses } from '../../src/demo/observer.ts';
import type { CaseOptions, TestCase } from './case.ts';
import type { DaemonProcess } from './daemon-process.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed.stop());

const TAP = "printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

/** Starts a job and waits until its test stage runs. */
async function untilTesting(
  options: CaseOptions,
): Promise<{ testCase: TestCase; daemon: DaemonProcess; change: number }> {
  const testCase = await testbed.newCase(options);
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
  return { testCase, daemon, change };
}

async function verdictOf(testCase: TestCase, change: number): Promise<string> {
  await testCase.eventually('all jobs have ended', () => testCase.allEnded());
  await testCase.eventually('nothing is left', async () => (await testCase.leftovers()).length === 0);
  expect(testCase.messages(change)).toHaveLength(1);
  expect(await testCase.findInconsistencies()).toEqual([]);
  return testCase.jobs()[0]?.verdict ?? 'none';
}

test('a stage that ends while the daemon is dead keeps its result', async () => {
  const gate = (testCase: TestCase) => `${testCase.directory}/go`;
  const { testCase, daemon, change } = await untilTesting({
    testing: `while [ ! -e "$(dirname "$SOS_CI_WORKTREE")/../../../go" ]; do sleep 0.05; done\n${TAP}note ended\n`,
  });
  await daemon.kill();
  writeFileSync(gate(testCase), '');
  await testCase.eventually('the stage has ended', () => testCase.ledger('testing').length === 2);
  const next = await testCase.startDaemon();
  expect(await verdictOf(testCase, change)).toBe('SUCCESS');
  expect(testCase.ledger('testing').filter((line) => line.endsWith('began'))).toHaveLength(1);
  expect(await next.stop()).toBe(0);
  await testCase.close();
});

test('a stage that exceeds its deadline while the daemon is dead is killed by its runner', async () => {
  const { testCase, daemon, change } = await untilTesting({ testing: 'sleep 300\n', testTimeout: '2s' });
  await daemon.kill();
  await testCase.eventually(
    'the runner ended it',
    async () => (await markedProcesses(testCase.stateDir)).length === 0,
  );
  const next = await testCase.startDaemon();
  expect(await verdictOf(testCase, change)).toBe('TIMED_OUT');
  expect(testCase.messages(change)[0]).not.toContain('Verified');
  expect(await next.stop()).toBe(0);
  await testCase.close();
});

test('a stage that writes forever is read, truncated and killed at its deadline', async () => {
  // More than the limit at once; then slowly, because a full pipe keeps the processors busy until the deadline.
  const { testCase, daemon, change } = await untilTesting({
    testing:
      "yes 'the same line over and over' | head -c 100000000\nnote written\nwhile :; do echo more; sleep 0.1; done\n",
    testTimeout: '10s',
  });
  expect(await verdictOf(testCase, change)).toBe('TIMED_OUT');
  expect(testCase.ledger('testing').at(-1)).toMatch(/ written$/);
  const log = testCase.published('testing.log');
  expect(log.length).toBeLessThan(68_000_000);
  expect(log.length).toBeGreaterThan(60_000_000);
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

test('a stage that ignores SIGTERM and leaves a child in a separate session leaves nothing', async () => {
  const stubborn =
    "trap '' TERM\nsetsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &\nwhile :; do sleep 1; done\n";
  const { testCase, daemon, change } = await untilTesting({ testing: stubborn, testTimeout: '2s' });
  expect(await verdictOf(testCase, change)).toBe('TIMED_OUT');
  expect(await markedProcesses(testCase.stateDir)).toEqual([]);
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

test('a stage whose processes are all killed is lost, and never a FAILURE', async () => {
  const { testCase, daemon, change } = await untilTesting({ testing: 'sleep 300\n' });
  for (const { pid } of await markedProcesses(testCase.stateDir)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended together with its parent.
    }
  }
  expect(await verdictOf(testCase, change)).toBe('NODE_FAILURE');
  expect(testCase.messages(change)[0]).toContain('not a result of the patch');
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

test('a command that is missing on the node gives a comment without a vote', async () => {
  const testCase = await testbed.newCase({ testing: 'exec no-such-program\n' });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  expect(await verdictOf(testCase, change)).toBe('NODE_FAILURE');
  expect(testCase.messages(change)[0]).toContain('127');
  expect(testCase.messages(change)[0]).not.toContain('Verified');
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

/** `stestr last --subunit` of a real run in which the tests of extend failed. */
const STREAM = fileURLToPath(new URL('../samples/devstack-broken.subunit.gz', import.meta.url));

test('failed tests of a subunit stream are named in the comment, and listed with their errors', async () => {
  const results = '{format: subunit, file: logs/testr.subunit.gz}';
  const testCase = await testbed.newCase({
    results,
    testing: `mkdir logs\ncp '${STREAM}' logs/testr.subunit.gz\nexit 1\n`,
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  expect(await verdictOf(testCase, change)).toBe('FAILURE');
  const tests = 'tempest.api.volume.test_volumes_extend.VolumesExtendTest.test_volume_extend';
  expect(testCase.messages(change)[0]).toContain(
    `2 of 55 tests failed: ${tests}, ${tests}_when_volume_has_snapshot`,
  );
  const { code, text } = await testCase.runCli('tests', String(change));
  const error =
    'tempest.exceptions.VolumeExtendErrorException: Volume d74216df-1467-4d0f-9ffb-601ff9809b80 failed';
  expect(text.split('\n').slice(0, 2)).toEqual([
    `failed       23.0s  ${tests}`,
    expect.stringContaining(`                    ${error} to extend`),
  ]);
  expect(text).toContain('\n2 failed, 53 passed, 2 skipped\n');
  expect(code).toBe(0);
  const failing = await testCase.runCli('tests', '--failing', '--json');
  expect(JSON.parse(failing.text).tests).toMatchObject([
    { id: tests, runs: 1, changes: 1 },
    { id: `${tests}_when_volume_has_snapshot` },
  ]);
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

test('a subunit stream of an earlier run is not a result', async () => {
  const testCase = await testbed.newCase({
    results: '{format: subunit, file: testr.subunit.gz}',
    stacking: `cp '${STREAM}' testr.subunit.gz\nmkdir .stestr\n`,
    testing: 'note "stestr $(ls -d .stestr)"\n',
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  expect(await verdictOf(testCase, change)).toBe('POST_FAILURE');
  expect(testCase.messages(change)[0]).not.toContain('Verified');
  expect(testCase.ledger('testing').at(-1)).toMatch(/stestr $/);
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

test('a non-zero exit without readable results is not FAILURE', async () => {
  const testCase = await testbed.newCase({ testing: 'exit 3\n' });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  expect(await verdictOf(testCase, change)).toBe('POST_FAILURE');
  expect(testCase.messages(change)[0]).not.toContain('Verified');
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

test('a newer patchset cancels the older one and its processes; one review for the newer', async () => {
  const slow = `if [ "$SOS_CI_PATCHSET" = 1 ]; then sleep 300; fi\n${TAP}`;
  const { testCase, daemon, change } = await untilTesting({ testing: slow });
  await testCase.amend('a second patchset\n');
  expect(await verdictOf(testCase, change)).toBe('SUCCESS');
  expect(testCase.jobs().map(({ patchset, verdict }) => `${patchset} ${verdict}`)).toEqual([
    '2 SUCCESS',
    '1 ABORTED',
  ]);
  expect(testCase.messages(change)[0]).toContain('Patch Set 2: Verified+1');
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});

test('an abandoned change is not reported, and leaves nothing', async () => {
  const { testCase, daemon, change } = await untilTesting({ testing: 'sleep 300\n' });
  testbed.gerrit.as('dev').abandon(change);
  await testCase.eventually('all jobs have ended', () => testCase.allEnded());
  await testCase.eventually('nothing is left', async () => (await testCase.leftovers()).length === 0);
  expect(testCase.messages(change)).toEqual([]);
  expect(testCase.jobs()[0]?.verdict).toBe('ABORTED');
  expect(await daemon.stop()).toBe(0);
  await testCase.close();
});
