/** The daemon is killed again and again while it works off twenty jobs, at moments that nobody chose. */
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from './rig.ts';
import { aWhile } from './waiting.ts';

const JOBS = 20;
const KILLS = 25;

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig?.stop());

test(`killed ${KILLS} times during ${JOBS} jobs: one comment each, nothing left, nothing stuck`, async () => {
  const one = await rig.newCase({
    stacking: 'sleep 0.5\n',
    testing: 'sleep 0.5\n[ $((SOS_CI_CHANGE % 3)) -ne 0 ] || fail\npass\n',
    nodes: 3,
  });
  const warm = await one.startDaemon();
  const changes: number[] = [];
  const pushAll = (async () => {
    while (changes.length < JOBS) changes.push(await one.checkout().push());
  })();
  let daemon = warm;
  for (let kills = 0; kills < KILLS; kills += 1) {
    await aWhile(randomInt(1500));
    await daemon.kill();
    daemon = one.spawnDaemon();
  }
  await pushAll;
  await one.listening(daemon);
  await one.settled(JOBS);
  const wrong: string[] = [];
  for (const change of changes) {
    const [said, vote] = [(await one.messages(change)).length, await one.vote(change)];
    if (said !== 1 || vote !== (change % 3 === 0 ? -1 : 1))
      wrong.push(`${change}: ${said} comments, ${vote}`);
  }
  expect(wrong).toEqual([]);
  expect(one.jobs().filter((job) => job.includes('stuck'))).toEqual([]);
  expect(await one.leftovers()).toEqual([]);
  expect(
    one
      .ledger('testing')
      .map((line) => line.split(' ')[1])
      .sort(),
  ).toEqual(changes.map((change) => `${change},1`).sort());
  const verified = await one.ask('verify');
  expect([verified.code, verified.text]).toEqual([0, expect.anything()]);
  expect(await daemon.stop()).toBe(0);
});
