/**
 * A real daemon is killed with SIGKILL before and after each append and each external effect of a whole job, once and
 * twice in a row. Checks which stages began, what Gerrit shows, and which processes and directories are left.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EXHAUSTIVE } from '../fixtures/effort.ts';
import type { TestCase } from './case.ts';
import type { DaemonProcess } from './daemon-process.ts';
import { Testbed } from './testbed.ts';

/** Cases that run in parallel, each lane with a separate Gerrit. */
const LANES = 3;

const testbeds: Testbed[] = [];
beforeAll(async () => {
  for (let lane = 0; lane < LANES; lane += 1) testbeds.push(await Testbed.start());
});
afterAll(async () => {
  for (const testbed of testbeds) await testbed.stop();
});

/** Fault points of one whole job, in the order in which an undisturbed daemon reaches them. */
async function listPoints(testbed: Testbed): Promise<readonly string[]> {
  const testCase = await testbed.newCase({});
  const daemon = await testCase.startDaemon('list');
  const change = await testCase.push();
  await finish(testCase, change, daemon);
  await testCase.close();
  return readFileSync(daemon.faultFile, 'utf8').trim().split('\n');
}

async function finish(testCase: TestCase, change: number, daemon: DaemonProcess): Promise<void> {
  await Promise.race([
    testCase.until(() => testCase.messages(change).length > 0),
    daemon.ended.then((code) => Promise.reject(new Error(`the daemon ended with ${code}\n${daemon.log}`))),
  ]);
  await testCase.eventually('the job and its review have ended', () => testCase.allEnded());
  await testCase.eventually('nothing is left', async () => (await testCase.leftovers()).length === 0);
  expect(await daemon.stop()).toBe(0);
}

/** Kills at each of `faults` in turn, then lets a daemon finish. */
async function survive(testbed: Testbed, faults: readonly string[]): Promise<void> {
  const testCase = await testbed.newCase({});
  try {
    let change: number | null = null;
    for (const fault of faults) {
      const daemon = await testCase.startDaemon(fault);
      // Before its first append no daemon has recorded the time from which on it handles events.
      if (change === null && testCase.hasIntakePosition()) change = await testCase.push();
      const done = change === null ? [] : [allDone(testCase, change)];
      await Promise.race([daemon.reached(fault), daemon.ended, ...done]);
      await daemon.kill();
    }
    // The next daemon finds a push that arrived while a daemon was suspended or dead.
    const last = await testCase.startDaemon();
    change ??= await testCase.push();
    await finish(testCase, change, last);
    expect(testCase.messages(change)).toHaveLength(1);
    expect(testCase.messages(change)[0]).toContain('Build succeeded');
    expect(testCase.ledger('stacking')).toHaveLength(1);
    expect(testCase.ledger('testing')).toHaveLength(1);
    expect(testCase.jobs().map(({ state, verdict }) => `${state} ${verdict}`)).toEqual(['done SUCCESS']);
    expect(await testCase.findInconsistencies()).toEqual([]);
  } finally {
    await testCase.close();
  }
}

/** Resolves when all has ended: a resumed job may have too few steps left to reach its fault point. */
async function allDone(testCase: TestCase, change: number): Promise<void> {
  await testCase.until(() => testCase.messages(change).length > 0);
  await testCase.eventually('the job has ended', () => testCase.allEnded());
}

/** Runs the cases in parallel lanes; each lane takes the next remaining case. */
async function surviveAll(cases: readonly (readonly string[])[]): Promise<void> {
  const left = [...cases];
  const failures: unknown[] = [];
  const work = async (testbed: Testbed): Promise<void> => {
    for (let faults = left.shift(); faults !== undefined; faults = left.shift()) {
      const named = faults.join(', then ');
      await survive(testbed, faults).catch((cause: unknown) =>
        failures.push(new Error(`killed ${named}`, { cause })),
      );
    }
  };
  await Promise.all(testbeds.map(work));
  expect(failures).toEqual([]);
}

let points: readonly string[];

test('an undisturbed job reaches every fault point', async () => {
  const [testbed] = testbeds;
  if (testbed === undefined) throw new Error('no lane');
  points = await listPoints(testbed);
  for (const effect of [
    'append',
    'catchUp',
    'createServer',
    'fetchPatchset',
    'runStage',
    'readResults',
    'collectEvidence',
    'publishEvidence',
    'postReview',
    'readVotes',
    'deleteServer',
    'discardEvidence',
  ]) {
    expect(points).toContain(`before:${effect}#1`);
    expect(points).toContain(`after:${effect}#1`);
  }
});

test('recovers from one kill at every point', async () => {
  await surviveAll(points.map((point) => [point]));
});

test('recovers from a kill at every point and another at the first or second step of the next daemon', async () => {
  const again = ['after:append#1', 'before:append#1', 'before:append#2', 'after:append#2'];
  const cases = points.map((point, index) => [point, again[index % again.length] ?? '']);
  await surviveAll(cases.filter((_case, index) => EXHAUSTIVE || index % 3 === 0));
});
