/** The queue in `sos-ci jobs`: in the order in which it is served, with the reason why each job waits. */
import { describe, expect, test } from 'vitest';
import { jobsCommand } from '../../../src/cli/commands/jobs.ts';
import { readQueue } from '../../../src/cli/commands/queue.ts';
import { statusCommand } from '../../../src/cli/commands/status.ts';
import { utc } from '../../../src/cli/output/time.ts';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import type { SlotLimits } from '../../../src/machines/slot-queue.ts';
import { fakeIo } from '../../fakes/io.ts';
import { jobSpec } from '../../machines/facts.ts';
import { jobRules } from '../../machines/rule-facts.ts';
import { CiHarness, type CiHarnessOptions } from '../../scenarios/ci-harness.ts';
import { created, FIRST } from '../../scenarios/gerrit-events.ts';

function of(project: string, event: GerritEvent): GerritEvent {
  return 'patchset' in event ? { ...event, patchset: { ...event.patchset, project } } : event;
}

const EVERYWHERE = { rules: { jobs: [jobRules({ name: jobSpec().name, projects: ['*'] })] } };

/** Changes 1xx are in cinder, changes 2xx in nova. */
async function startCi(changes: readonly number[], options: CiHarnessOptions = {}): Promise<CiHarness> {
  const ci = new CiHarness({ ...EVERYWHERE, ...options });
  await ci.start();
  for (const change of changes) {
    ci.emit(of(change < 200 ? 'openstack/cinder' : 'openstack/nova', created(change)));
    await ci.clock.advance(1_000);
  }
  await ci.untilIdle();
  return ci;
}

const ioOf = (ci: CiHarness, alive = true) => fakeIo({ now: () => ci.clock.now(), alive: () => alive });
const shown = (ci: CiHarness, alive = true) =>
  readQueue(ioOf(ci, alive), ci.store).map(({ job, position, why }) => [job.change, position, why]);

describe('the queue', () => {
  test('is shown in the order in which slots are granted', async () => {
    const ci = await startCi([100, 101, 102, 200, 201]);
    const rows = shown(ci);
    expect(rows.map(([change]) => change)).toEqual([200, 101, 201, 102]);
    expect(rows[0]).toEqual([200, 1, 'local is full: one job']);
    const [status, jobs] = [ioOf(ci), ioOf(ci)];
    await statusCommand(status, ci.store, {});
    jobsCommand(jobs, ci.store, { open: true, limit: 50 });
    expect(status.stdout()).toContain(`\nopen jobs\n${jobs.stdout()}`);
    await ci.run();
    const granted = [...ci.store.log()].filter(({ type }) => type === 'slot.granted');
    expect(granted.map(({ history }) => ci.store.job(history)?.change)).toEqual([
      100,
      ...rows.map(([change]) => change),
    ]);
    expect(readQueue(ioOf(ci), ci.store)).toEqual([]);
  });

  test.each<[string, Partial<SlotLimits>, string]>([
    [
      'its project',
      { projects: { 'openstack/cinder': { concurrency: 1, priorityMs: 0 } } },
      'openstack/cinder already has one job, its limit',
    ],
    [
      'its job',
      { jobs: { [jobSpec().name]: 2 } },
      `at most 2 jobs called ${jobSpec().name} may run at a time`,
    ],
    [
      'a back end',
      { backends: { array1: 1 } },
      'back end array1 is in use: at most one job may use it at a time',
    ],
    ['its provider', { slots: { local: 0 } }, 'local has no slots now'],
    [
      'a quota',
      { slots: { local: 0 }, slotReasons: { local: 'cores: 20 of 20 used' } },
      'local has no slots now (cores: 20 of 20 used)',
    ],
  ])('names the limit of %s', async (_, limits, why) => {
    const ci = new CiHarness({ ...EVERYWHERE, slots: 9, specs: [jobSpec({ backends: ['array1'] })] });
    await ci.start();
    const { slots } = ci.daemon.engine;
    slots.setLimits({ ...slots.limits, ...limits });
    ci.daemon.service.refresh();
    for (const change of [100, 101, 102]) ci.emit(of('openstack/cinder', created(change)));
    await ci.untilIdle();
    expect(shown(ci).at(-1)?.[2]).toBe(why);
  });

  test('names the job that reserves a slot', async () => {
    const ci = new CiHarness({ ...EVERYWHERE, stage: () => null });
    await ci.start();
    const { slots } = ci.daemon.engine;
    const projects = { 'openstack/cinder': { concurrency: 1, priorityMs: 0 } };
    ci.emit(of('openstack/nova', created(200)));
    await ci.untilIdle();
    for (const change of [100, 101]) ci.emit(of('openstack/cinder', created(change)));
    await ci.untilIdle();
    slots.setLimits({ ...slots.limits, slots: { local: 1 }, projects, starvationTimeoutMs: 1 });
    ci.daemon.service.refresh();
    await ci.clock.advance(60_000);
    slots.suspend();
    slots.setLimits({ ...slots.limits, slots: { local: 2 } });
    ci.daemon.service.refresh();
    const first = ci.jobs().find(({ change }) => change === 100)?.id;
    expect(shown(ci)).toEqual([
      [100, 1, 'it gets a slot now'],
      [101, 2, `the next slot of openstack/cinder is reserved for ${first}, which has waited longer`],
    ]);
  });

  test('shows that no daemon serves it', async () => {
    const ci = await startCi([100, 101]);
    expect(shown(ci, false)).toEqual([[101, 1, 'no daemon is running']]);
    void ci.daemon.service.drain();
    await ci.untilIdle();
    expect(shown(ci)).toEqual([[101, 1, 'the daemon is draining; the next one serves it']]);
  });

  test('contains jobs in preparation, with the reason', async () => {
    const requiredVote = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 3_600_000 };
    const ci = new CiHarness({ rules: {}, plan: { requiredVote } });
    await ci.start();
    ci.changes.calls.holdNext('answer');
    ci.emit(created(100));
    await ci.untilIdle();
    expect(shown(ci)).toEqual([[100, null, 'the change is being looked up in Gerrit']]);
  });

  test('shows which vote a job waits for, and until when', async () => {
    const requiredVote = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 3_600_000 };
    const rules = { jobs: [jobRules({ requiredVote })] };
    const ci = new CiHarness({ rules });
    await ci.start();
    const until = utc(ci.clock.now() + requiredVote.timeoutMs);
    ci.emit(created(100));
    await ci.untilIdle();
    expect(shown(ci)).toEqual([[100, null, `waits for zuul to vote Verified+1 until ${until}`]]);
  });
});

describe('the list of jobs', () => {
  test('begins with the queue', async () => {
    const ci = await startCi([100, 101, 200]);
    ci.store.setDaemon({ pid: 1, startTicks: 1, startedAt: 0, version: '0', mode: 'running', stream: '' });
    const waiting = ci.jobs().find(({ change }) => change === 101);
    await ci.daemon.engine.send(waiting?.id ?? '', { type: 'job.promoted', by: 'alice', why: '' });
    await ci.untilIdle();
    ci.daemon.service.refresh();
    const io = ioOf(ci);
    expect(jobsCommand(io, ci.store, { limit: 50 })).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/jobs-queue.txt');
  });

  test('as JSON holds each position, and the order of all', async () => {
    const ci = await startCi([100, 101, 200]);
    const io = ioOf(ci);
    jobsCommand(io, ci.store, { limit: 50, json: true });
    const answer = JSON.parse(io.stdout());
    const id = (change: number) => ci.jobs().find((job) => job.change === change)?.id;
    expect(answer.queue).toEqual([id(200), id(101)]);
    expect(answer.jobs.map((job: { queue: unknown }) => job.queue)).toEqual([
      expect.objectContaining({
        provider: 'local',
        position: 1,
        promoted: false,
        why: 'local is full: one job',
      }),
      expect.objectContaining({ position: 2 }),
      null,
    ]);
  });

  test('can be filtered by change', async () => {
    const ci = await startCi([100, FIRST]);
    const io = ioOf(ci);
    jobsCommand(io, ci.store, { limit: 50, change: FIRST });
    expect(io.stdout()).toContain(`${FIRST},1`);
    expect(io.stdout()).not.toContain('100,1');
  });
});
