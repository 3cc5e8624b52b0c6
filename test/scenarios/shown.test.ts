/** A patchset whose change became work in progress right after the upload: refused at the look-up, and started once when it is ready. */
import { expect, test } from 'vitest';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { PATCHSET } from '../machines/facts.ts';
import { created, FIRST, ready } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';

const shown = { ...PATCHSET, change: FIRST, patchset: 1, ref: `refs/changes/${FIRST % 100}/${FIRST}/1` };
const show = (lab: Lab, wip: boolean) => lab.changes.show(shown, { wip, status: 'open' });
const verdicts = (lab: Lab) => lab.jobs().map(({ verdict }) => verdict);

async function refused(crashAt: readonly number[] = []): Promise<Lab> {
  const lab = new Lab();
  lab.crashAt = crashAt;
  await lab.start();
  show(lab, true);
  lab.say(created());
  await lab.run();
  return lab;
}

async function becomesReady(lab: Lab): Promise<void> {
  show(lab, false);
  lab.say(ready());
  await lab.run();
}

test('it is started when it is ready, and not again', async () => {
  const lab = await refused();
  expect([verdicts(lab), lab.reviewer.posted]).toEqual([['ABORTED'], []]);
  await becomesReady(lab);
  expect(verdicts(lab)).toEqual(['ABORTED', 'SUCCESS']);
  expect(lab.reviewer.posted).toHaveLength(1);
  await becomesReady(lab);
  expect(verdicts(lab)).toHaveLength(2);
  expect(broken(lab)).toEqual([]);
  lab.store.close();
});

test('hidden and ignored again, it is started when it is finally ready', async () => {
  const lab = await refused();
  lab.say(ready());
  await lab.run();
  expect(verdicts(lab)).toEqual(['ABORTED', 'ABORTED']);
  await becomesReady(lab);
  expect(verdicts(lab)).toEqual(['ABORTED', 'ABORTED', 'SUCCESS']);
  lab.store.close();
});

test('during a downtime, it is found by the catch-up, once', async () => {
  const lab = await refused();
  lab.daemon.life.end();
  show(lab, false);
  lab.say(ready());
  await lab.restart();
  await lab.run();
  expect(verdicts(lab)).toEqual(['ABORTED', 'SUCCESS']);
  await lab.restart();
  await lab.run();
  expect(verdicts(lab)).toHaveLength(2);
  expect(broken(lab)).toEqual([]);
  lab.store.close();
});

test('wherever the daemon dies', LONG, async () => {
  const undisturbed = await refused();
  await becomesReady(undisturbed);
  undisturbed.store.close();
  for (const point of crashPoints(undisturbed.points, (_, index) => index % 3 === 0)) {
    const lab = await refused([point]);
    await becomesReady(lab);
    expect([point, verdicts(lab), lab.reviewer.posted.length, broken(lab)]).toEqual([
      point,
      ['ABORTED', 'SUCCESS'],
      1,
      [],
    ]);
    lab.store.close();
  }
});

test('a tested patchset is not tested again because its change was hidden and shown', async () => {
  const lab = new Lab();
  await lab.start();
  lab.say(created());
  await lab.run();
  await becomesReady(lab);
  expect(verdicts(lab)).toEqual(['SUCCESS']);
  lab.store.close();
});
