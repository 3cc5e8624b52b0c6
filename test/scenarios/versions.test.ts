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
import { CiHarness, type CiHarnessOptions } from './ci-harness.ts';
import { created } from './gerrit-events.ts';
import { endOf } from './story.ts';
import { violations } from './violations.ts';

let withoutJobTwo = () => {};
afterEach(() => withoutJobTwo());

/** Change 1 is tested and change 2 waits on job@1 when a new version starts, whose jobs are on job@2. */
async function upgraded(options: CiHarnessOptions = {}): Promise<CiHarness> {
  const ci = new CiHarness(options);
  await ci.start();
  ci.emit(created(1));
  ci.emit(created(2));
  await ci.run(() => ci.jobs().some(({ state }) => state === 'testing.running'));
  withoutJobTwo = withJobTwo();
  await ci.restart();
  ci.emit(created(3));
  ci.emit(created(4));
  await ci.untilIdle();
  return ci;
}

function perform<R extends OperatorRequest>(ci: CiHarness, request: R): Promise<OperatorAnswers[R['do']]> {
  const commands = new OperatorCommands({
    engine: ci.daemon.engine,
    store: ci.store,
    sweep: ci.daemon.sweep,
    janitors: ci.daemon.janitors,
    admission: ci.daemon.admission,
    clock: ci.clock,
    newId: (kind) => ci.newId(kind),
    findPatchset: async () => null,
    reload: async () => ({ changed: [], restart: [], problems: [] }),
    identity: { pid: 42, version: '1' },
  });
  return commands.perform(request, { who: 'alice', why: 'by hand' }) as Promise<OperatorAnswers[R['do']]>;
}

const idOf = (ci: CiHarness, change: number) => ci.jobs().find((job) => job.change === change)?.id ?? '';
const machines = (ci: CiHarness) => ci.jobs().map(({ id }) => ci.store.rows(id)[0]?.machine);
const states = (ci: CiHarness) => ci.jobs().map(({ state }) => state);
const served = (ci: CiHarness) =>
  [...ci.store.log()]
    .filter(({ type, outcome }) => type === 'slot.granted' && outcome === 'moved')
    .map(({ history }) => ci.store.job(history)?.change);

test('jobs on both versions share the slots, and the views show the same for both', async () => {
  const ci = await upgraded();
  expect(machines(ci)).toEqual(['job@1', 'job@1', 'job@2', 'job@2']);
  expect(states(ci)).toEqual(['testing.running', 'queued.waiting', 'pending.waiting', 'pending.waiting']);
  expect(ci.jobs().map(({ queued }) => queued)).toEqual([false, true, true, true]);
  expect(readQueue(fakeIo(), ci.store).map(({ job, position }) => [job.change, position])).toEqual([
    [2, 1],
    [3, 2],
    [4, 3],
  ]);
  const seen = new Set<string>();
  ci.onDurable = (batch) => {
    for (const { projection: view } of batch)
      if (view.kind === 'job') seen.add(`${view.state} ${view.cleaningUp}`);
  };
  await ci.run();
  expect([...seen]).toEqual(
    expect.arrayContaining(['cleanup.deleting true', 'teardown.deleting true', 'cooling false']),
  );
  expect(violations(ci)).toEqual([]);
  expect(served(ci)).toEqual([1, 2, 3, 4]);
  expect(ci.provider.peak).toBe(1);
  expect(endOf(ci).verdicts).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS', 'SUCCESS']);
});

test('a drain finishes running jobs of both, and leaves waiting ones', async () => {
  const ci = await upgraded({ slots: 3 });
  expect(ci.jobs().map(({ queued }) => queued)).toEqual([false, false, false, true]);
  let drained = false;
  void ci.daemon.service.drained.then(() => {
    drained = true;
  });
  await ci.daemon.service.drain();
  await ci.run(() => ci.jobs()[2]?.state === 'cooling');
  expect(drained).toBe(false);
  await ci.run(() => drained);
  expect(states(ci)).toEqual(['done', 'done', 'done', 'pending.waiting']);
  await ci.daemon.service.stop();
  await ci.restart();
  await ci.run();
  expect(violations(ci)).toEqual([]);
});

test('after a crash at any point each job continues on its own version', async () => {
  const undisturbed = await upgraded({ slots: 2 });
  const first = undisturbed.points.length;
  await undisturbed.run();
  withoutJobTwo();
  const [points, end] = [undisturbed.points.length - first, endOf(undisturbed)];
  // From the first to the last.
  const parts = runs(10, 3);
  for (let part = 0; part < parts; part += 1) {
    const ci = await upgraded({ slots: 2 });
    ci.crashAt = [ci.points.length + Math.floor((points * part) / parts)];
    await ci.run();
    expect(ci.lives).toBe(3);
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject({ verdicts: end.verdicts, posts: end.posts });
    expect(machines(ci)).toEqual(['job@1', 'job@1', 'job@2', 'job@2']);
    withoutJobTwo();
  }
});

test('operators promote and cancel jobs of both', async () => {
  const ci = await upgraded();
  const promoted = await perform(ci, {
    do: 'promote',
    targets: [{ job: idOf(ci, 4) }, { job: idOf(ci, 1) }],
  });
  expect(promoted).toMatchObject({ promoted: [{ change: 4 }], notWaiting: [{ change: 1 }] });
  expect(await perform(ci, { do: 'dequeue', target: { job: idOf(ci, 3) } })).toMatchObject({
    jobs: [{ change: 3 }],
  });
  expect(await perform(ci, { do: 'dequeue', target: { change: 2, patchset: null } })).toMatchObject({
    reviews: [{}],
  });
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(served(ci)).toEqual([1, 4]);
  expect(endOf(ci).verdicts).toEqual(['SUCCESS', 'ABORTED', 'ABORTED', 'SUCCESS']);
});
