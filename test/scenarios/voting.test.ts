/** Votes while everything fails: they stop by themselves, the operator hears of it once, and only an operator lets them go on. */
import { describe, expect, test } from 'vitest';
import { resumeVoting } from '../../src/engine/operations/open-voting.ts';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { FAILED } from '../machines/facts.ts';
import { created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';

const labels = (lab: Lab) => lab.reviewer.posted.map((posted) => posted.labels.Verified ?? 0);

async function failing(lab: Lab, ...changes: readonly number[]): Promise<void> {
  for (const change of changes) {
    lab.say(created(change));
    await lab.run();
  }
}

async function started(crashAt: readonly number[] = []): Promise<Lab> {
  const lab = new Lab({ results: FAILED, report: { maxConsecutiveFailures: 3 } });
  lab.crashAt = crashAt;
  await lab.start();
  return lab;
}

describe('failures on several changes in a row', () => {
  test('stop voting; comments continue, and an operator resumes voting', async () => {
    const lab = await started();
    await failing(lab, 1, 2, 3, 4);
    expect(labels(lab)).toEqual([-1, -1, 0, 0]);
    expect(lab.alarms.kinds).toEqual(['voting-stopped']);
    expect(await resumeVoting(lab.daemon.engine, lab.store, 'alice', 'the array is back')).toBe(true);
    await failing(lab, 5, 6, 7);
    expect(labels(lab).slice(4)).toEqual([-1, -1, 0]);
    const raised = lab.alarms.raised.map(({ kind, cleared }) => [kind, cleared === true]);
    expect(raised).toEqual([
      ['voting-stopped', false],
      ['voting-stopped', true],
      ['voting-stopped', false],
    ]);
    expect(broken(lab)).toEqual([]);
    lab.store.close();
  });

  test('are counted across restarts, however the daemon ends', LONG, async () => {
    const undisturbed = await started();
    await failing(undisturbed, 1, 2, 3, 4);
    undisturbed.store.close();
    for (const point of crashPoints(undisturbed.points, (_, index) => index % 7 === 3)) {
      const lab = await started([point]);
      await failing(lab, 1, 2, 3, 4);
      expect([point, labels(lab), broken(lab)]).toEqual([point, [-1, -1, 0, 0], []]);
      lab.store.close();
    }
  });

  test('on the same change count once', async () => {
    const lab = await started();
    for (const patchset of [1, 2, 3, 4, 5]) {
      lab.say(created(1, patchset));
      await lab.run();
    }
    expect(labels(lab)).toEqual([-1, -1, -1, -1, -1]);
    lab.store.close();
  });
});

test('resuming when voting was never stopped resets the count, and says so', async () => {
  const lab = await started();
  await failing(lab, 1, 2);
  expect(await resumeVoting(lab.daemon.engine, lab.store, 'alice', 'for good measure')).toBe(false);
  await failing(lab, 3, 4);
  expect(labels(lab)).toEqual([-1, -1, -1, -1]);
  lab.store.close();
});
