/** A change that is moved to another branch counts as a new patchset, with and without a running daemon. */
import { describe, expect, test } from 'vitest';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import { jobRules } from '../machines/rule-facts.ts';
import { CiHarness } from './ci-harness.ts';
import { comment, created, FIRST, patchset, ready } from './gerrit-events.ts';
import { violations } from './violations.ts';

async function running(): Promise<CiHarness> {
  const ci = new CiHarness({ rules: { jobs: [jobRules({ branches: ['master', 'stable/*'] })] } });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  return ci;
}

/** Gerrit writes to the change's notes and sends no event. */
function move(ci: CiHarness, branch: string, wip = false): void {
  ci.past.move(FIRST, branch, ci.clock.now(), wip);
  ci.daemon.events.touched(FIRST);
}

function becomesReady(ci: CiHarness, branch: string): void {
  ci.emit({ ...ready(), patchset: { ...patchset(), branch } } as GerritEvent);
}

const tested = (ci: CiHarness) =>
  ci.jobs().map(({ branch, patchset, verdict }) => `${branch} ${patchset} ${verdict}`);

test('the test for the old branch is cancelled, and the one for the new branch is reported', async () => {
  const ci = await running();
  move(ci, 'stable/1');
  await ci.run(() => ci.jobs().length === 2);
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(tested(ci)).toEqual(['master 1 ABORTED', 'stable/1 1 SUCCESS']);
  expect(ci.reviewer.posted).toHaveLength(1);
});

test('moved to a branch without jobs, it is not tested any more', async () => {
  const ci = await running();
  move(ci, 'feature/x');
  await ci.run(() => ci.openWork().length === 0);
  expect(tested(ci)).toEqual(['master 1 ABORTED']);
  expect(ci.reviewer.posted).toEqual([]);
});

test('moved twice, back to its first branch, it is tested for the last branch', async () => {
  const ci = await running();
  move(ci, 'stable/1');
  await ci.run(() => ci.jobs().length === 2);
  move(ci, 'master');
  await ci.run(() => ci.jobs().length === 3);
  await ci.run();
  expect(tested(ci)).toEqual(['master 1 ABORTED', 'stable/1 1 ABORTED', 'master 1 SUCCESS']);
});

test('moved while no daemon runs, it is found by the catch-up', async () => {
  const ci = await running();
  ci.daemon.life.end();
  ci.past.move(FIRST, 'stable/1', ci.clock.now());
  await ci.run(() => ci.jobs().length === 2);
  await ci.run();
  expect(tested(ci)).toEqual(['master 1 ABORTED', 'stable/1 1 SUCCESS']);
});

test('moved after its test, it is tested for the new branch', async () => {
  const ci = await running();
  await ci.run();
  move(ci, 'stable/1');
  await ci.run(() => ci.jobs().length === 2);
  await ci.run();
  expect(tested(ci)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
});

describe('moved while it is work in progress', () => {
  async function ended(ci: CiHarness): Promise<readonly string[]> {
    await ci.run();
    expect(violations(ci)).toEqual([]);
    return tested(ci);
  }

  test('and ready later, it is tested for the new branch, once', async () => {
    const ci = await running();
    await ci.run();
    move(ci, 'stable/1', true);
    expect(await ended(ci)).toEqual(['master 1 SUCCESS']);
    becomesReady(ci, 'stable/1');
    expect(await ended(ci)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
    expect(ci.reviewer.posted).toHaveLength(2);
    becomesReady(ci, 'stable/1');
    expect(await ended(ci)).toHaveLength(2);
  });

  test('with its test running, it is tested for the new branch only', async () => {
    const ci = await running();
    move(ci, 'stable/1', true);
    await ci.run(() => ci.openWork().length === 0);
    becomesReady(ci, 'stable/1');
    expect(await ended(ci)).toEqual(['master 1 ABORTED', 'stable/1 1 SUCCESS']);
  });

  test('and back again, it is tested for the branch whose test was cancelled', async () => {
    const ci = await running();
    move(ci, 'stable/1', true);
    await ci.run(() => ci.openWork().length === 0);
    move(ci, 'master', true);
    await ci.run();
    becomesReady(ci, 'master');
    expect(await ended(ci)).toEqual(['master 1 ABORTED', 'master 1 SUCCESS']);
  });

  test('and back again, it is not tested again for a branch that it was tested for', async () => {
    const ci = await running();
    await ci.run();
    move(ci, 'stable/1', true);
    await ci.run();
    move(ci, 'master', true);
    await ci.run();
    becomesReady(ci, 'master');
    expect(await ended(ci)).toEqual(['master 1 SUCCESS']);
  });

  test('and ready while no daemon runs, it is found by the catch-up, once', async () => {
    const ci = await running();
    await ci.run();
    move(ci, 'stable/1', true);
    await ci.run();
    ci.daemon.life.end();
    becomesReady(ci, 'stable/1');
    await ci.restart();
    expect(await ended(ci)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
    await ci.restart();
    expect(await ended(ci)).toHaveLength(2);
  });
});

test('tested for the new branch at once, it is not tested again when it is hidden and shown', async () => {
  const ci = await running();
  await ci.run();
  move(ci, 'stable/1');
  await ci.run(() => ci.jobs().length === 2);
  await ci.run();
  becomesReady(ci, 'stable/1');
  await ci.run();
  expect(tested(ci)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
});

test('a meta update that an event explains causes no query', async () => {
  const ci = await running();
  const { calls } = ci.past;
  const before = calls.count('read');
  ci.daemon.events.touched(FIRST);
  ci.emit(comment('nice'));
  await ci.run();
  expect(calls.count('read')).toBe(before);
  ci.daemon.events.touched(FIRST);
  ci.daemon.events.touched(FIRST);
  await ci.untilIdle();
  expect(calls.count('read')).toBe(before + 1);
});
