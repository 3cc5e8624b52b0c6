/**
 * A real daemon is killed with SIGKILL from outside before and after each append and each outside effect of a whole job,
 * once and twice in a row, and judged by the outside: what began, what Gerrit shows, which processes and directories are left.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Case } from './case.ts';
import type { DaemonProcess } from './daemon-process.ts';
import { Rig } from './rig.ts';

/** Cases that run beside each other, each lane with a Gerrit of its own. */
const LANES = 3;

const rigs: Rig[] = [];
beforeAll(async () => {
  for (let lane = 0; lane < LANES; lane += 1) rigs.push(await Rig.start());
});
afterAll(async () => {
  for (const rig of rigs) await rig.stop();
});

/** Fault points of one whole job, in the order in which a daemon that is not disturbed comes to them. */
async function listPoints(rig: Rig): Promise<readonly string[]> {
  const one = await rig.newCase({});
  const daemon = await one.startDaemon('list');
  const change = await one.push();
  await finish(one, change, daemon);
  await one.close();
  return readFileSync(daemon.faultFile, 'utf8').trim().split('\n');
}

async function finish(one: Case, change: number, daemon: DaemonProcess): Promise<void> {
  await Promise.race([
    one.until(() => one.messages(change).length > 0),
    daemon.ended.then((code) => Promise.reject(new Error(`the daemon ended with ${code}\n${daemon.log}`))),
  ]);
  await one.eventually('the job and its review have ended', () => one.allEnded());
  await one.eventually('nothing is left', async () => (await one.leftovers()).length === 0);
  expect(await daemon.stop()).toBe(0);
}

/** Kills at each of `faults` in turn, then lets a daemon finish. */
async function survive(rig: Rig, faults: readonly string[]): Promise<void> {
  const one = await rig.newCase({});
  try {
    let change: number | null = null;
    for (const fault of faults) {
      const daemon = await one.startDaemon(fault);
      // Before its first append nobody has said from when on it is responsible.
      if (change === null && one.isResponsible()) change = await one.push();
      const done = change === null ? [] : [allDone(one, change)];
      await Promise.race([daemon.reached(fault), daemon.ended, ...done]);
      await daemon.kill();
    }
    // What was pushed while a daemon stood still or was dead is found by the next one: nobody asks again.
    const last = await one.startDaemon();
    change ??= await one.push();
    await finish(one, change, last);
    expect(one.messages(change)).toHaveLength(1);
    expect(one.messages(change)[0]).toContain('Build succeeded');
    expect(one.ledger('stacking')).toHaveLength(1);
    expect(one.ledger('testing')).toHaveLength(1);
    expect(one.jobs().map(({ state, verdict }) => `${state} ${verdict}`)).toEqual(['done SUCCESS']);
    expect(one.unsound()).toEqual([]);
  } finally {
    await one.close();
  }
}

/** A point that lies behind the whole job is never reached once the job was resumed. */
async function allDone(one: Case, change: number): Promise<void> {
  await one.until(() => one.messages(change).length > 0);
  await one.eventually('the job has ended', () => one.allEnded());
}

/** Works through the cases in lanes; every lane takes the next one that is left. */
async function surviveAll(cases: readonly (readonly string[])[]): Promise<void> {
  const left = [...cases];
  const failures: unknown[] = [];
  const work = async (rig: Rig): Promise<void> => {
    for (let faults = left.shift(); faults !== undefined; faults = left.shift()) {
      const named = faults.join(', then ');
      await survive(rig, faults).catch((cause: unknown) =>
        failures.push(new Error(`killed ${named}`, { cause })),
      );
    }
  };
  await Promise.all(rigs.map(work));
  expect(failures).toEqual([]);
}

let points: readonly string[];

test('an undisturbed job reaches every fault point', async () => {
  const [rig] = rigs;
  if (rig === undefined) throw new Error('no lane');
  points = await listPoints(rig);
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

test('killed once, at every point', async () => {
  await surviveAll(points.map((point) => [point]));
});

test('killed at every point, and again at the first or second step of the next daemon', async () => {
  const again = ['after:append#1', 'before:append#1', 'before:append#2', 'after:append#2'];
  await surviveAll(points.map((point, index) => [point, again[index % again.length] ?? '']));
});
