/** How long an operator's patchsets wait for us, from the return of `git push` on; and what an idle daemon costs. */
import { readFileSync } from 'node:fs';
import { median } from '../measure.ts';
import type { Bench, Row } from './main.ts';
import { type Place, seconds } from './place.ts';

/** Half of what Buildbot takes with a checkout: 1.41 s. */
const FIRST_COMMAND_MS = 705;
/** What Buildbot takes. */
const VISIBLE_MS = 260;
const COLD_START_MS = 1500;
const MEMORY_MIB = 100;

export const timings: Readonly<Record<string, Bench>> = { push, 'cold-start': coldStart };

/** Push to first command, end of the job to the review, memory afterwards. */
async function push(place: Place, runs: number): Promise<readonly Row[]> {
  const daemon = await place.one.startDaemon();
  const begins: number[] = [];
  const ends: number[] = [];
  // The first one is of a program that has done nothing yet, and is not counted.
  for (let run = -1; run < runs; run += 1) {
    const change = await place.one.checkout().push();
    const pushed = Date.now();
    const visible = await place.visible(change);
    const [at, end] = [await place.stamp(change, 'at'), await place.stamp(change, 'end')];
    await place.quiet();
    if (run < 0) continue;
    begins.push(at - pushed);
    ends.push(visible - end);
  }
  const memory = proportionalMebibytes(daemon.pid);
  await daemon.stop();
  return [
    row(
      'push to the first command, merged with the branch',
      seconds(begins),
      'under 0.71 s',
      median(begins) < FIRST_COMMAND_MS,
    ),
    row('end of the job to the review visible', seconds(ends), 'at most 0.26 s', median(ends) <= VISIBLE_MS),
    row(
      'processes, memory (PSS) after these jobs',
      `1, ${memory.toFixed(0)} MiB`,
      '1, under 100 MiB',
      memory < MEMORY_MIB,
    ),
    row(
      'lines of configuration',
      String(place.configuration().trimEnd().split('\n').length),
      'at most 12',
      place.configuration().trimEnd().split('\n').length <= 12,
    ),
  ];
}

/** From the start of the program to the first command of a change that is pushed at that moment. */
async function coldStart(place: Place, runs: number): Promise<readonly Row[]> {
  // The very first start makes a database and has no past to look back at.
  await (await place.one.startDaemon()).stop();
  const times: number[] = [];
  const idle: number[] = [];
  let tested = 0;
  for (let run = 0; run < runs; run += 1) {
    const started = Date.now();
    const daemon = place.one.spawnDaemon();
    const change = await place.one.checkout().push();
    times.push((await place.stamp(change, 'at')) - started);
    await place.visible(change);
    await place.quiet();
    tested += 1;
    idle.push(proportionalMebibytes(daemon.pid));
    await daemon.stop();
  }
  return [
    row(
      'cold start to the first command of a change pushed meanwhile',
      seconds(times),
      'under 1.5 s',
      median(times) < COLD_START_MS,
    ),
    row('pushes right after the start that were tested', `${tested} of ${runs}`, 'all', tested === runs),
    row(
      'memory (PSS) of a daemon after its first job',
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
