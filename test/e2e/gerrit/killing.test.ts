/** The daemon is killed repeatedly at random times while it runs twenty jobs. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DaemonProcess, pollDelay } from '../daemon-process.ts';
import type { TestCase } from './case.ts';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

const JOBS = 20;
/** Limit for the kills, and the same again for the rest of the work. */
const LIMIT_MS = 400_000;
/** Never reached in practice: the kills end when the jobs end. */
const MAX_KILLS = 200;
const MIN_KILLS = 15;

/**
 * When to kill: this many rows of the log and then this many milliseconds later. Both can be 0: right after the start.
 */
const KILL_TIMES = fc.record({
  rows: fc.noBias(fc.integer({ min: 0, max: 25 })),
  ms: fc.noBias(fc.integer({ min: 0, max: 150 })),
});

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(() => testbed?.stop());

test(`killed at random times during ${JOBS} jobs: one comment for each job, no leftovers, no parked job`, async () => {
  const seed = Number(process.env.SOS_CI_SEED ?? Date.now() % 1_000_000);
  console.log(`the kills come from SOS_CI_SEED=${seed}`);
  const testCase = await testbed.newCase({
    stacking: 'sleep 0.2\n',
    testing: 'sleep 0.5\n[ $((SOS_CI_CHANGE % 3)) -ne 0 ] || fail\npass\n',
    nodes: 3,
  });
  const first = await testCase.startDaemon();
  const pushes = pushAll(testCase);
  const { kills, daemon } = await killRepeatedly(testCase, first, seed);
  const changes = await pushes;
  await testCase.listening(daemon);
  await testCase.settled(JOBS, LIMIT_MS);
  console.log(`${kills} kills`);
  expect(kills).toBeGreaterThanOrEqual(MIN_KILLS);
  const shown = await Promise.all(
    changes.map(
      async (change) => `${(await testCase.messages(change)).length} with ${await testCase.vote(change)}`,
    ),
  );
  expect(shown).toEqual(changes.map((change) => `1 with ${change % 3 === 0 ? -1 : 1}`));
  expect(testCase.jobs().filter((job) => job.includes('parked'))).toEqual([]);
  const tested = testCase.ledger('testing').map((line) => line.split(' ')[1] ?? '');
  expect(tested.sort()).toEqual(changes.map((change) => `${change},1`).sort());
  expect(await testCase.runCli('verify')).toMatchObject({ code: 0 });
  expect(await daemon.stop()).toBe(0);
}, 900_000);

async function pushAll(testCase: TestCase): Promise<readonly number[]> {
  const changes: number[] = [];
  while (changes.length < JOBS) changes.push(await testCase.checkout().push());
  return changes;
}

/** Returns when every job has ended, with the daemon that still runs. */
async function killRepeatedly(
  testCase: TestCase,
  first: DaemonProcess,
  seed: number,
): Promise<{ kills: number; daemon: DaemonProcess }> {
  let daemon = first;
  const end = performance.now() + LIMIT_MS;
  for (const [kills, { rows, ms }] of fc.sample(KILL_TIMES, { seed, numRuns: MAX_KILLS }).entries()) {
    const enough = testCase.read((reader) => reader.length()) + rows;
    while (testCase.read((reader) => reader.length()) < enough) {
      if (testCase.ended(JOBS)) return { kills, daemon };
      if (performance.now() > end) throw new Error(`no progress after ${kills} kills\n${testCase.report()}`);
      await pollDelay();
    }
    await new Promise((resolve) => setTimeout(resolve, ms));
    await daemon.kill();
    daemon = testCase.spawnDaemon();
  }
  return { kills: MAX_KILLS, daemon };
}
