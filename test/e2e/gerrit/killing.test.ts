/** The daemon is killed again and again while it runs twenty jobs, at random times. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aMoment, type DaemonProcess } from '../daemon-process.ts';
import type { Case } from './case.ts';
import { Rig } from './rig.ts';
import { sharedGerrit } from './shared-gerrit.ts';

const JOBS = 20;
/** Each for the kills, and for what is left to do afterwards. */
const LIMIT_MS = 400_000;
/** More than enough to get through: the kills end with the jobs. */
const MOST_KILLS = 200;
const FEWEST_KILLS = 15;

/** When to kill: after so many more rows of the log, and so much later. Both begin at nothing: a daemon dies young, too. */
const MOMENTS = fc.record({
  rows: fc.noBias(fc.integer({ min: 0, max: 25 })),
  ms: fc.noBias(fc.integer({ min: 0, max: 150 })),
});

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
});
afterAll(() => rig?.stop());

test(`killed at random during ${JOBS} jobs: one comment each, nothing left, nothing stuck`, async () => {
  const seed = Number(process.env.SOS_CI_SEED ?? Date.now() % 1_000_000);
  console.log(`the kills come from SOS_CI_SEED=${seed}`);
  const one = await rig.newCase({
    stacking: 'sleep 0.2\n',
    testing: 'sleep 0.5\n[ $((SOS_CI_CHANGE % 3)) -ne 0 ] || fail\npass\n',
    nodes: 3,
  });
  const first = await one.startDaemon();
  const pushes = pushAll(one);
  const { kills, daemon } = await killAgainAndAgain(one, first, seed);
  const changes = await pushes;
  await one.listening(daemon);
  await one.settled(JOBS, LIMIT_MS);
  console.log(`${kills} kills`);
  expect(kills).toBeGreaterThanOrEqual(FEWEST_KILLS);
  const shown = await Promise.all(
    changes.map(async (change) => `${(await one.messages(change)).length} with ${await one.vote(change)}`),
  );
  expect(shown).toEqual(changes.map((change) => `1 with ${change % 3 === 0 ? -1 : 1}`));
  expect(one.jobs().filter((job) => job.includes('parked'))).toEqual([]);
  const tested = one.ledger('testing').map((line) => line.split(' ')[1] ?? '');
  expect(tested.sort()).toEqual(changes.map((change) => `${change},1`).sort());
  expect(await one.ask('verify')).toMatchObject({ code: 0 });
  expect(await daemon.stop()).toBe(0);
}, 900_000);

async function pushAll(one: Case): Promise<readonly number[]> {
  const changes: number[] = [];
  while (changes.length < JOBS) changes.push(await one.checkout().push());
  return changes;
}

/** Ends when every job has ended; the daemon that lives then goes on. */
async function killAgainAndAgain(
  one: Case,
  first: DaemonProcess,
  seed: number,
): Promise<{ kills: number; daemon: DaemonProcess }> {
  let daemon = first;
  const end = performance.now() + LIMIT_MS;
  for (const [kills, { rows, ms }] of fc.sample(MOMENTS, { seed, numRuns: MOST_KILLS }).entries()) {
    const enough = one.read((reader) => reader.length()) + rows;
    while (one.read((reader) => reader.length()) < enough) {
      if (one.ended(JOBS)) return { kills, daemon };
      if (performance.now() > end) throw new Error(`no progress after ${kills} kills\n${one.report()}`);
      await aMoment();
    }
    await new Promise((resolve) => setTimeout(resolve, ms));
    await daemon.kill();
    daemon = one.spawnDaemon();
  }
  return { kills: MOST_KILLS, daemon };
}
