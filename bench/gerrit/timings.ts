/** Measures the delays of a patchset after `git push` has returned, and the memory of an idle daemon. */
import { readFileSync } from 'node:fs';
import type { Testbed } from '../../test/e2e/gerrit/testbed.ts';
import { median } from '../measure.ts';
import type { Bench, Row } from './main.ts';
import { BenchSetup, seconds } from './setup.ts';

/** Half of the time that Buildbot takes with a checkout, 1.41 s. */
const FIRST_COMMAND_MS = 705;
/** The time that Buildbot takes. */
const VISIBLE_MS = 260;
const COLD_START_MS = 1500;
const MEMORY_MIB = 100;
const LINES = 12;
/** V8 has collected the garbage of the last job by then. */
const IDLE_MS = 7_000;
/** Runs that are not counted: the program and Gerrit are still warming up. */
const WARM_UP = 3;

export const timings: Readonly<Record<string, Bench>> = {
  push: (testbed, runs) => push(testbed, runs, false),
  'push-node': (testbed, runs) => push(testbed, runs, true),
  'cold-start': coldStart,
};

/** Measures the time from push to first command and from the end of the job to the review, and memory afterwards. */
async function push(testbed: Testbed, runs: number, node: boolean): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed, { node });
  const daemon = await setup.case.startDaemon();
  const begins: number[] = [];
  const ends: number[] = [];
  for (let run = -WARM_UP; run < runs; run += 1) {
    const change = await setup.case.checkout().push();
    const pushed = Date.now();
    const [at, end] = [await setup.eventTime(change, 'at'), await setup.eventTime(change, 'end')];
    const reviewTime = await setup.reviewTime(change);
    await setup.untilIdle();
    if (run < 0) continue;
    begins.push(at - pushed);
    ends.push(reviewTime - end);
  }
  const busy = proportionalMebibytes(daemon.pid);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const memory = proportionalMebibytes(daemon.pid);
  await daemon.stop();
  const where = node ? ', on a node by SSH' : '';
  const lines = setup.configuration().trimEnd().split('\n').length;
  return [
    row(
      `from the push to the first command, merged with the branch${where}`,
      seconds(begins),
      'under 0.71 s',
      median(begins) < FIRST_COMMAND_MS,
    ),
    row(
      `from the end of the job until the review is visible${where}`,
      seconds(ends),
      'at most 0.26 s',
      median(ends) <= VISIBLE_MS,
    ),
    row(
      `idle memory (PSS) after these jobs${where}`,
      `${memory.toFixed(0)} MiB; ${busy.toFixed(0)} as the last one ends`,
      'under 100 MiB',
      memory < MEMORY_MIB,
    ),
    ...(node ? [] : [row('lines of configuration', String(lines), 'at most 12', lines <= LINES)]),
  ];
}

/** From the start of the program to the first command of a change that is pushed at that moment. */
async function coldStart(testbed: Testbed, runs: number): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed);
  const checkout = setup.case.checkout();
  // The very first start creates the database and has no missed events to read.
  await (await setup.case.startDaemon()).stop();
  const times: number[] = [];
  const pushes: number[] = [];
  const idle: number[] = [];
  for (let run = -1; run < runs; run += 1) {
    await checkout.commit();
    const started = Date.now();
    const daemon = setup.case.spawnDaemon();
    const change = await checkout.send();
    const pushed = Date.now();
    const at = await setup.eventTime(change, 'at');
    await setup.reviewTime(change);
    await setup.untilIdle();
    const memory = proportionalMebibytes(daemon.pid);
    await daemon.stop();
    if (run < 0) continue;
    times.push(at - started);
    pushes.push(pushed - started);
    idle.push(memory);
  }
  return [
    row(
      'cold start to the first command of a change pushed at that moment',
      `${seconds(times)}; the push itself took ${seconds(pushes)}`,
      'under 1.5 s',
      median(times) < COLD_START_MS,
    ),
    row(
      'pushes during the start that were tested',
      `${times.length} of ${runs}`,
      'all',
      times.length === runs,
    ),
    row(
      'memory (PSS) as the first job ends',
      `${median(idle).toFixed(0)} MiB`,
      'under 100 MiB',
      median(idle) < MEMORY_MIB,
    ),
  ];
}

function row(what: string, measured: string, goal: string, met: boolean): Row {
  return { what, measured, goal, met };
}

function proportionalMebibytes(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}
