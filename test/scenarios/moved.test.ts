/** A change that is moved to another branch counts as a new patchset, whether a daemon listened or not. */
import { describe, expect, test } from 'vitest';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import { jobRules } from '../machines/rule-facts.ts';
import { comment, created, FIRST, patchset, ready } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';

async function running(): Promise<Lab> {
  const lab = new Lab({ rules: { jobs: [jobRules({ branches: ['master', 'stable/*'] })] } });
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
  return lab;
}

/** Gerrit writes to the change's notes and sends no event. */
function move(lab: Lab, branch: string, wip = false): void {
  lab.past.move(FIRST, branch, lab.clock.now(), wip);
  lab.daemon.events.touched(FIRST);
}

function becomesReady(lab: Lab, branch: string): void {
  lab.say({ ...ready(), patchset: { ...patchset(), branch } } as GerritEvent);
}

const tested = (lab: Lab) =>
  lab.jobs().map(({ branch, patchset, verdict }) => `${branch} ${patchset} ${verdict}`);

test('the test for the old branch is cancelled, and the one for the new branch is reported', async () => {
  const lab = await running();
  move(lab, 'stable/1');
  await lab.run(() => lab.jobs().length === 2);
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(tested(lab)).toEqual(['master 1 ABORTED', 'stable/1 1 SUCCESS']);
  expect(lab.reviewer.posted).toHaveLength(1);
});

test('moved to a branch without jobs, it is not tested any more', async () => {
  const lab = await running();
  move(lab, 'feature/x');
  await lab.run(() => lab.openWork().length === 0);
  expect(tested(lab)).toEqual(['master 1 ABORTED']);
  expect(lab.reviewer.posted).toEqual([]);
});

test('moved twice, back to its first branch, it is tested for the last branch', async () => {
  const lab = await running();
  move(lab, 'stable/1');
  await lab.run(() => lab.jobs().length === 2);
  move(lab, 'master');
  await lab.run(() => lab.jobs().length === 3);
  await lab.run();
  expect(tested(lab)).toEqual(['master 1 ABORTED', 'stable/1 1 ABORTED', 'master 1 SUCCESS']);
});

test('moved while no daemon runs, it is found by the catch-up', async () => {
  const lab = await running();
  lab.daemon.life.end();
  lab.past.move(FIRST, 'stable/1', lab.clock.now());
  await lab.run(() => lab.jobs().length === 2);
  await lab.run();
  expect(tested(lab)).toEqual(['master 1 ABORTED', 'stable/1 1 SUCCESS']);
});

test('moved after its test, it is tested for the new branch', async () => {
  const lab = await running();
  await lab.run();
  move(lab, 'stable/1');
  await lab.run(() => lab.jobs().length === 2);
  await lab.run();
  expect(tested(lab)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
});

describe('moved while it is work in progress', () => {
  async function ended(lab: Lab): Promise<readonly string[]> {
    await lab.run();
    expect(broken(lab)).toEqual([]);
    return tested(lab);
  }

  test('and ready later, it is tested for the new branch, once', async () => {
    const lab = await running();
    await lab.run();
    move(lab, 'stable/1', true);
    expect(await ended(lab)).toEqual(['master 1 SUCCESS']);
    becomesReady(lab, 'stable/1');
    expect(await ended(lab)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
    expect(lab.reviewer.posted).toHaveLength(2);
    becomesReady(lab, 'stable/1');
    expect(await ended(lab)).toHaveLength(2);
  });

  test('with its test running, it is tested for the new branch only', async () => {
    const lab = await running();
    move(lab, 'stable/1', true);
    await lab.run(() => lab.openWork().length === 0);
    becomesReady(lab, 'stable/1');
    expect(await ended(lab)).toEqual(['master 1 ABORTED', 'stable/1 1 SUCCESS']);
  });

  test('and back again, it is tested for the branch whose test was cancelled', async () => {
    const lab = await running();
    move(lab, 'stable/1', true);
    await lab.run(() => lab.openWork().length === 0);
    move(lab, 'master', true);
    await lab.run();
    becomesReady(lab, 'master');
    expect(await ended(lab)).toEqual(['master 1 ABORTED', 'master 1 SUCCESS']);
  });

  test('and back again, it is not tested again for a branch that it was tested for', async () => {
    const lab = await running();
    await lab.run();
    move(lab, 'stable/1', true);
    await lab.run();
    move(lab, 'master', true);
    await lab.run();
    becomesReady(lab, 'master');
    expect(await ended(lab)).toEqual(['master 1 SUCCESS']);
  });

  test('and ready while no daemon runs, it is found by the catch-up, once', async () => {
    const lab = await running();
    await lab.run();
    move(lab, 'stable/1', true);
    await lab.run();
    lab.daemon.life.end();
    becomesReady(lab, 'stable/1');
    await lab.restart();
    expect(await ended(lab)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
    await lab.restart();
    expect(await ended(lab)).toHaveLength(2);
  });
});

test('tested for the new branch at once, it is not tested again when it is hidden and shown', async () => {
  const lab = await running();
  await lab.run();
  move(lab, 'stable/1');
  await lab.run(() => lab.jobs().length === 2);
  await lab.run();
  becomesReady(lab, 'stable/1');
  await lab.run();
  expect(tested(lab)).toEqual(['master 1 SUCCESS', 'stable/1 1 SUCCESS']);
});

test('a meta update that an event explains causes no query', async () => {
  const lab = await running();
  const { calls } = lab.past;
  const before = calls.count('read');
  lab.daemon.events.touched(FIRST);
  lab.say(comment('nice'));
  await lab.run();
  expect(calls.count('read')).toBe(before);
  lab.daemon.events.touched(FIRST);
  lab.daemon.events.touched(FIRST);
  await lab.untilIdle();
  expect(calls.count('read')).toBe(before + 1);
});
