/**
 * Two versions of the job's machine side by side: jobs on job@1 and jobs on job@2 share slots, drain, recovery,
 * operators' commands and views.
 */
import { afterEach, expect, test } from 'vitest';
import { readQueue } from '../../src/cli/commands/queue.ts';
import { OperatorCommands } from '../../src/engine/operations/operator-commands.ts';
import type { OperatorAnswers, OperatorRequest } from '../../src/engine/ports/operator-api.ts';
import { fakeIo } from '../fakes/io.ts';
import { runs } from '../fixtures/effort.ts';
import { withJobTwo } from '../fixtures/job-two.ts';
import { created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab, type LabOptions } from './lab.ts';
import { endOf } from './story.ts';

let withoutJobTwo = () => {};
afterEach(() => withoutJobTwo());

/** Change 1 is tested on job@1, and 2 waits on it, when a program takes over that starts new jobs on job@2. */
async function upgraded(options: LabOptions = {}): Promise<Lab> {
  const lab = new Lab(options);
  await lab.start();
  lab.say(created(1));
  lab.say(created(2));
  await lab.run(() => lab.jobs().some(({ state }) => state === 'testing.running'));
  withoutJobTwo = withJobTwo();
  await lab.restart();
  lab.say(created(3));
  lab.say(created(4));
  await lab.untilIdle();
  return lab;
}

function ask<R extends OperatorRequest>(lab: Lab, request: R): Promise<OperatorAnswers[R['do']]> {
  const desk = new OperatorCommands({
    engine: lab.daemon.engine,
    store: lab.store,
    admission: lab.daemon.admission,
    clock: lab.clock,
    findPatchset: async () => null,
    reload: async () => ({ changed: [], restart: [], problems: [] }),
    identity: { pid: 42, version: '1' },
  });
  return desk.perform(request, { who: 'alice', why: 'by hand' }) as Promise<OperatorAnswers[R['do']]>;
}

const idOf = (lab: Lab, change: number) => lab.jobs().find((job) => job.change === change)?.id ?? '';
const machines = (lab: Lab) => lab.jobs().map(({ id }) => lab.store.rows(id)[0]?.machine);
const states = (lab: Lab) => lab.jobs().map(({ state }) => state);
const served = (lab: Lab) =>
  [...lab.store.log()]
    .filter(({ type, outcome }) => type === 'slot.granted' && outcome === 'moved')
    .map(({ history }) => lab.store.job(history)?.change);

test('they share the slots, and the views show the same for both', async () => {
  const lab = await upgraded();
  expect(machines(lab)).toEqual(['job@1', 'job@1', 'job@2', 'job@2']);
  expect(states(lab)).toEqual(['testing.running', 'queued.waiting', 'pending.waiting', 'pending.waiting']);
  expect(lab.jobs().map(({ queued }) => queued)).toEqual([false, true, true, true]);
  expect(readQueue(fakeIo(), lab.store).map(({ job, position }) => [job.change, position])).toEqual([
    [2, 1],
    [3, 2],
    [4, 3],
  ]);
  const seen = new Set<string>();
  lab.onDurable = (batch) => {
    for (const { projection: view } of batch)
      if (view.kind === 'job') seen.add(`${view.state} ${view.cleaningUp}`);
  };
  await lab.run();
  expect([...seen]).toEqual(
    expect.arrayContaining(['cleanup.deleting true', 'teardown.deleting true', 'cooling false']),
  );
  expect(broken(lab)).toEqual([]);
  expect(served(lab)).toEqual([1, 2, 3, 4]);
  expect(lab.provider.peak).toBe(1);
  expect(endOf(lab).verdicts).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS', 'SUCCESS']);
});

test('a drain finishes running jobs of both, and leaves waiting ones', async () => {
  const lab = await upgraded({ slots: 3 });
  expect(lab.jobs().map(({ queued }) => queued)).toEqual([false, false, false, true]);
  let drained = false;
  void lab.daemon.service.drained.then(() => {
    drained = true;
  });
  await lab.daemon.service.drain();
  await lab.run(() => lab.jobs()[2]?.state === 'cooling');
  expect(drained).toBe(false);
  await lab.run(() => drained);
  expect(states(lab)).toEqual(['done', 'done', 'done', 'pending.waiting']);
  await lab.daemon.service.stop();
  await lab.restart();
  await lab.run();
  expect(broken(lab)).toEqual([]);
});

test('after a crash at any point each continues on its own version', async () => {
  const whole = await upgraded({ slots: 2 });
  const first = whole.points.length;
  await whole.run();
  withoutJobTwo();
  const [points, end] = [whole.points.length - first, endOf(whole)];
  // From the first to the last.
  const parts = runs(10, 3);
  for (let part = 0; part < parts; part += 1) {
    const lab = await upgraded({ slots: 2 });
    lab.crashAt = [lab.points.length + Math.floor((points * part) / parts)];
    await lab.run();
    expect(lab.lives).toBe(3);
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject({ verdicts: end.verdicts, posts: end.posts });
    expect(machines(lab)).toEqual(['job@1', 'job@1', 'job@2', 'job@2']);
    withoutJobTwo();
  }
});

test('operators promote and cancel jobs of both', async () => {
  const lab = await upgraded();
  const promoted = await ask(lab, { do: 'promote', targets: [{ job: idOf(lab, 4) }, { job: idOf(lab, 1) }] });
  expect(promoted).toMatchObject({ promoted: [{ change: 4 }], passed: [{ change: 1 }] });
  expect(await ask(lab, { do: 'dequeue', target: { job: idOf(lab, 3) } })).toMatchObject({
    jobs: [{ change: 3 }],
  });
  expect(await ask(lab, { do: 'dequeue', target: { change: 2, patchset: null } })).toMatchObject({
    reviews: [{}],
  });
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(served(lab)).toEqual([1, 4]);
  expect(endOf(lab).verdicts).toEqual(['SUCCESS', 'ABORTED', 'ABORTED', 'SUCCESS']);
});
