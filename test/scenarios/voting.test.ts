/** Votes while everything fails: voting stops with one alarm, and only an operator resumes it. */
import { describe, expect, test } from 'vitest';
import { resumeVoting } from '../../src/engine/operations/open-voting.ts';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { FAILED } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { created } from './gerrit-events.ts';
import { violations } from './violations.ts';

const labels = (ci: CiHarness) => ci.reviewer.posted.map((posted) => posted.labels.Verified ?? 0);

async function failing(ci: CiHarness, ...changes: readonly number[]): Promise<void> {
  for (const change of changes) {
    ci.emit(created(change));
    await ci.run();
  }
}

async function started(crashAt: readonly number[] = []): Promise<CiHarness> {
  const ci = new CiHarness({ results: FAILED, report: { maxConsecutiveFailures: 3 } });
  ci.crashAt = crashAt;
  await ci.start();
  return ci;
}

describe('failures on several changes in a row', () => {
  test('stop voting; comments continue, and an operator resumes voting', async () => {
    const ci = await started();
    await failing(ci, 1, 2, 3, 4);
    expect(labels(ci)).toEqual([-1, -1, 0, 0]);
    expect(ci.alarms.kinds).toEqual(['voting-stopped']);
    expect(await resumeVoting(ci.daemon.engine, ci.store, 'alice', 'the array is back')).toBe(true);
    await failing(ci, 5, 6, 7);
    expect(labels(ci).slice(4)).toEqual([-1, -1, 0]);
    const raised = ci.alarms.raised.map(({ kind, cleared }) => [kind, cleared === true]);
    expect(raised).toEqual([
      ['voting-stopped', false],
      ['voting-stopped', true],
      ['voting-stopped', false],
    ]);
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });

  test('are counted across restarts, after a crash at any point', LONG, async () => {
    const undisturbed = await started();
    await failing(undisturbed, 1, 2, 3, 4);
    undisturbed.store.close();
    for (const point of crashPoints(undisturbed.points, (_, index) => index % 7 === 3)) {
      const ci = await started([point]);
      await failing(ci, 1, 2, 3, 4);
      expect([point, labels(ci), violations(ci)]).toEqual([point, [-1, -1, 0, 0], []]);
      ci.store.close();
    }
  });

  test('on the same change count once', async () => {
    const ci = await started();
    for (const patchset of [1, 2, 3, 4, 5]) {
      ci.emit(created(1, patchset));
      await ci.run();
    }
    expect(labels(ci)).toEqual([-1, -1, -1, -1, -1]);
    ci.store.close();
  });
});

test('resuming when voting was not stopped resets the count, and returns false', async () => {
  const ci = await started();
  await failing(ci, 1, 2);
  expect(await resumeVoting(ci.daemon.engine, ci.store, 'alice', 'for good measure')).toBe(false);
  await failing(ci, 3, 4);
  expect(labels(ci)).toEqual([-1, -1, -1, -1]);
  ci.store.close();
});
