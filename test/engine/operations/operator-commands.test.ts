/**
 * Commands of operators to a running daemon: their effects on jobs, rejected commands, and their rows in the log.
 */
import { describe, expect, test } from 'vitest';
import { OperatorCommands } from '../../../src/engine/operations/operator-commands.ts';
import type { OperatorAnswers, OperatorRequest, Refused } from '../../../src/engine/ports/operator-api.ts';
import type { Patchset } from '../../../src/machines/model/domain.ts';
import { jobSpec, PATCHSET } from '../../machines/facts.ts';
import { jobRules, triggerRules } from '../../machines/rule-facts.ts';
import { CiHarness, type CiHarnessOptions, SUCCESSFUL_STAGE } from '../../scenarios/ci-harness.ts';
import { created, FIRST } from '../../scenarios/gerrit-events.ts';
import { violations } from '../../scenarios/violations.ts';

const OPERATOR = { who: 'alice', why: 'by hand' };
const NAME = jobSpec().name;
const ACCOUNT = triggerRules().account;
const RELOADED = { changed: [], restart: [], problems: [] };

/** The patchsets in Gerrit: the first one of each change below 1,000. */
const findPatchset = async (change: number, patchset: number | null): Promise<Patchset | null> =>
  change < 1_000 && (patchset ?? 1) === 1 ? { ...PATCHSET, change, patchset: 1 } : null;

async function started(options: CiHarnessOptions = {}): Promise<CiHarness> {
  const ci = new CiHarness(options);
  await ci.start();
  return ci;
}

function commandsOf(ci: CiHarness): OperatorCommands {
  return new OperatorCommands({
    engine: ci.daemon.engine,
    store: ci.store,
    sweep: ci.daemon.sweep,
    janitors: ci.daemon.janitors,
    admission: ci.daemon.admission,
    clock: ci.clock,
    newId: (kind) => ci.newId(kind),
    findPatchset,
    reload: async () => RELOADED,
    identity: { pid: 42, version: '1' },
  });
}

function perform<R extends OperatorRequest>(ci: CiHarness, request: R): Promise<OperatorAnswers[R['do']]> {
  return commandsOf(ci).perform(request, OPERATOR) as Promise<OperatorAnswers[R['do']]>;
}

const enqueue = (change: number, jobs: readonly string[] = [NAME], patchset: number | null = null) =>
  ({ do: 'enqueue', jobs, change, patchset }) as const;
const dequeueChange = (change: number, patchset: number | null = null) =>
  ({ do: 'dequeue', target: { change, patchset } }) as const;
const rejection = (kind: Refused['kind'], message: string) =>
  expect.objectContaining({ name: 'Refused', kind, message: expect.stringContaining(message) });
const verdicts = (ci: CiHarness) => ci.jobs().map(({ change, verdict }) => `${change} ${verdict}`);
/** Changes in the order in which they got slots. */
const served = (ci: CiHarness) =>
  [...ci.store.log()]
    .filter(({ type, outcome }) => type === 'slot.granted' && outcome === 'moved')
    .map(({ history }) => ci.store.job(history)?.change);

describe('enqueue', () => {
  test('runs the named jobs regardless of the rules, and records the operator', async () => {
    const ci = await started({ specs: [jobSpec(), jobSpec({ name: 'other' })], rules: { jobs: [] } });
    const begun = await perform(ci, enqueue(7, [NAME, NAME]));
    expect(begun).toMatchObject({ change: 7, patchset: 1, jobs: [{ name: NAME }] });
    expect(ci.store.rows(begun.review)[0]?.data.cause).toMatchObject({
      by: 'alice (operator)',
      why: 'enqueued: by hand',
    });
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(verdicts(ci)).toEqual(['7 SUCCESS']);
    expect(ci.reviewer.posted).toHaveLength(1);
  });

  test('without names runs every job of the project and branch', async () => {
    const specs = ['here', 'too', 'elsewhere', 'branch'].map((name) => jobSpec({ name }));
    const [projects, branches] = [['openstack/nova'], ['stable/*']];
    const others = [
      { name: 'elsewhere', projects },
      { name: 'branch', branches },
    ];
    const jobs = [{ name: 'here' }, { name: 'too', triggers: [] }, ...others].map(jobRules);
    const ci = await started({ specs, rules: { jobs }, slots: 2 });
    const begun = await perform(ci, enqueue(7, []));
    expect(begun.jobs.map(({ name }) => name)).toEqual(['here', 'too']);
    await ci.run();
    expect(verdicts(ci)).toEqual(['7 SUCCESS', '7 SUCCESS']);
  });

  test('without names is rejected if the project has no jobs', async () => {
    const ci = await started({ rules: { jobs: [jobRules({ projects: ['openstack/nova'] })] } });
    const message = `no job tests ${PATCHSET.project}, branch ${PATCHSET.branch}`;
    await expect(perform(ci, enqueue(7, []))).rejects.toEqual(rejection('unknown', message));
  });

  test.each([
    [enqueue(7, ['nobody']), 'unknown', 'there is no job nobody'],
    [enqueue(1_000), 'unknown', 'Gerrit shows no change 1000'],
    [enqueue(7, [NAME], 2), 'unknown', 'no patchset 7,2'],
  ] as const)('of %j is rejected', async (request, kind, message) => {
    const ci = await started();
    await expect(perform(ci, request)).rejects.toEqual(rejection(kind, message));
    expect(ci.jobs()).toEqual([]);
  });

  test('of a job that runs on the patchset is rejected, but not of another job, nor of both after the end', async () => {
    const ci = await started({ specs: [jobSpec(), jobSpec({ name: 'other' })], slots: 2 });
    await perform(ci, enqueue(7));
    await expect(perform(ci, enqueue(7))).rejects.toEqual(rejection('refused', 'already under way'));
    await perform(ci, enqueue(7, ['other']));
    await ci.run();
    await perform(ci, enqueue(7, [NAME, 'other']));
    await ci.run();
    expect(verdicts(ci)).toEqual(Array(4).fill('7 SUCCESS'));
  });

  test('requested twice at the same time starts once', async () => {
    const ci = await started();
    const commands = commandsOf(ci);
    const results = await Promise.allSettled([1, 2].map(() => commands.perform(enqueue(7), OPERATOR)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await ci.run();
    expect(verdicts(ci)).toEqual(['7 SUCCESS']);
  });

  test('is rejected when the queue is full, or in monitor-only mode', async () => {
    const full = await started({ queueLength: 1, slots: 0 });
    await perform(full, enqueue(7));
    await expect(perform(full, enqueue(8))).rejects.toEqual(rejection('refused', 'the queue is full'));
    const watching = await started({ starts: false });
    await expect(perform(watching, enqueue(7))).rejects.toEqual(rejection('refused', 'only monitors'));
  });
});

describe('dequeue', () => {
  test('of a change cancels running and waiting jobs, cleans up, and posts nothing', async () => {
    const ci = await started({ specs: [jobSpec(), jobSpec({ name: 'other' })] });
    ci.emit(created());
    await ci.run(() => ci.jobs().some(({ state }) => state === 'testing.running'));
    const answer = await perform(ci, dequeueChange(FIRST));
    expect(answer.jobs.map(({ name, state }) => `${name} ${state}`).sort()).toEqual([
      `${NAME} testing.running`,
      'other queued.waiting',
    ]);
    expect(answer.reviews).toHaveLength(1);
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(ci.jobs().map(({ verdict, reason }) => `${verdict} ${reason}`)).toEqual(
      Array(2).fill('ABORTED dequeued by alice: by hand'),
    );
    expect(ci.reviewer.posted).toEqual([]);
  });

  test('of a change also cancels a job that its review no longer waits for', async () => {
    const ci = await started({
      specs: [jobSpec(), jobSpec({ name: 'other' })],
      slots: 2,
      report: { jobTimeoutMs: 300_000 },
      stage: ({ name }) => (name === 'other' ? null : SUCCESSFUL_STAGE),
    });
    ci.emit(created());
    await ci.run(() => ci.reviewer.posted.length === 1);
    await ci.run(() => ci.store.reviews({ open: true, limit: 9 }).length === 0);
    const answer = await perform(ci, dequeueChange(FIRST));
    expect(answer).toMatchObject({ jobs: [{ name: 'other' }], reviews: [] });
    await ci.run();
    expect(ci.jobs().find(({ name }) => name === 'other')?.verdict).toBe('ABORTED');
    expect(violations(ci)).toEqual([]);
    await expect(perform(ci, dequeueChange(FIRST))).rejects.toThrow('is open');
  });

  test('of one patchset does not affect the others', async () => {
    const ci = await started({ rules: { supersede: 'never' }, slots: 2 });
    ci.emit(created());
    ci.emit(created(FIRST, 2));
    await ci.untilIdle();
    expect((await perform(ci, dequeueChange(FIRST, 1))).jobs).toMatchObject([{ patchset: 1 }]);
    await ci.run();
    expect(ci.jobs().map(({ verdict }) => verdict)).toEqual(['ABORTED', 'SUCCESS']);
  });

  test('of one job lets its review continue without it', async () => {
    const ci = await started({ specs: [jobSpec(), jobSpec({ name: 'other' })] });
    ci.emit(created());
    await ci.run(() => ci.jobs().some(({ state }) => state === 'testing.running'));
    const waiting = ci.jobs().find(({ state }) => state.startsWith('queued'));
    const answer = await perform(ci, { do: 'dequeue', target: { job: waiting?.id ?? '' } });
    expect(answer).toMatchObject({ jobs: [{ id: waiting?.id, state: 'queued.waiting' }], reviews: [] });
    await ci.run();
    expect(violations(ci)).toEqual([]);
    const ended = ci.jobs().map(({ verdict }) => verdict);
    expect(ended.sort()).toEqual(['ABORTED', 'SUCCESS']);
    expect(ci.reviewer.posted).toHaveLength(1);
  });

  test('repeated changes nothing, and posts nothing', async () => {
    const ci = await started({ specs: [jobSpec(), jobSpec({ name: 'other' })] });
    ci.emit(created());
    await ci.run(() => ci.jobs().some(({ state }) => state === 'testing.running'));
    const running = ci.jobs().find(({ state }) => state === 'testing.running')?.id ?? '';
    await perform(ci, dequeueChange(FIRST));
    await perform(ci, { do: 'dequeue', target: { job: running } });
    await perform(ci, dequeueChange(FIRST)).catch((thrown) => {
      expect(thrown).toEqual(rejection('unknown', 'is open'));
    });
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(ci.jobs().map(({ verdict }) => verdict)).toEqual(['ABORTED', 'ABORTED']);
    expect(ci.reviewer.posted).toEqual([]);
  });

  test('of a missing or ended job is rejected', async () => {
    const ci = await started();
    await expect(perform(ci, dequeueChange(7))).rejects.toEqual(rejection('unknown', 'change 7'));
    await expect(perform(ci, { do: 'dequeue', target: { job: 'j9' } })).rejects.toEqual(
      rejection('unknown', 'there is no job j9'),
    );
    ci.emit(created());
    await ci.run();
    const job = ci.jobs()[0]?.id ?? '';
    await expect(perform(ci, { do: 'dequeue', target: { job } })).rejects.toEqual(
      rejection('refused', 'has ended: SUCCESS'),
    );
    await expect(perform(ci, dequeueChange(FIRST))).rejects.toEqual(rejection('unknown', 'is open'));
  });
});

describe('promote', () => {
  const queued = async (options: CiHarnessOptions = {}) => {
    const ci = await started(options);
    for (const change of [1, 2, 3, 4]) ci.emit(created(change));
    await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
    return ci;
  };

  test('moves waiting jobs to the head of the queue, the first named first', async () => {
    const ci = await queued();
    const targets = [4, 3].map((change) => ({ change, patchset: null }));
    const answer = await perform(ci, { do: 'promote', targets });
    expect(answer.promoted.map(({ change }) => change)).toEqual([4, 3]);
    expect(answer.notWaiting).toEqual([]);
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(served(ci)).toEqual([1, 4, 3, 2]);
  });

  test('survives a restart', async () => {
    const ci = await queued();
    await perform(ci, { do: 'promote', targets: [{ change: 4, patchset: null }] });
    await perform(ci, { do: 'promote', targets: [{ change: 3, patchset: null }] });
    await ci.restart();
    await ci.run();
    expect(served(ci)).toEqual([1, 3, 4, 2]);
  });

  test('of a job that does not wait reports its state', async () => {
    const ci = await queued();
    const running = ci.jobs()[0]?.id ?? '';
    const targets = [{ job: running }, { change: 3, patchset: null }, { job: ci.jobs()[2]?.id ?? '' }];
    const answer = await perform(ci, { do: 'promote', targets });
    expect(answer.promoted.map(({ change }) => change)).toEqual([3]);
    expect(answer.notWaiting).toMatchObject([{ id: running, state: 'testing.running' }]);
    await expect(perform(ci, { do: 'promote', targets: [{ change: 9, patchset: null }] })).rejects.toEqual(
      rejection('unknown', 'no job of change 9 is open'),
    );
  });

  test('is in the log with the operator and the reason', async () => {
    const ci = await queued();
    await perform(ci, { do: 'promote', targets: [{ change: 2, patchset: null }] });
    const rows = ci.store.rows(ci.jobs()[1]?.id ?? '');
    expect(rows.at(-1)).toMatchObject({ type: 'job.promoted', data: { by: 'alice', why: 'by hand' } });
    await ci.run();
    expect(violations(ci)).toEqual([]);
  });
});

describe('recheck', () => {
  test('starts the same jobs as a comment', async () => {
    const ci = await started();
    const answer = await perform(ci, { do: 'recheck', change: 7 });
    expect(answer.begun).toMatchObject([{ change: 7, patchset: 1, jobs: [{ name: NAME }] }]);
    expect(answer.decisions).toEqual([expect.stringMatching(/^start: .*alice/)]);
    await ci.run();
    expect(verdicts(ci)).toEqual(['7 SUCCESS']);
  });

  test("is not treated as a comment of the account with the operator's name, and works with rechecks disabled", async () => {
    const ci = await started({ rules: { recheck: false } });
    const operator = { who: ACCOUNT, why: 'the mirror is back' };
    const answer = (await commandsOf(ci).perform(
      { do: 'recheck', change: 7 },
      operator,
    )) as OperatorAnswers['recheck'];
    expect(ci.store.rows(answer.begun[0]?.review ?? '')[0]?.data.cause).toMatchObject({
      kind: 'recheck',
      by: `${ACCOUNT} (operator)`,
      why: `${ACCOUNT} (operator) requests a run of this CI: the mirror is back`,
    });
    await ci.run();
    expect(verdicts(ci)).toEqual(['7 SUCCESS']);
  });

  test('reports why it starts nothing', async () => {
    const ci = await started({ slots: 0 });
    await perform(ci, { do: 'recheck', change: 7 });
    const answer = await perform(ci, { do: 'recheck', change: 7 });
    expect(answer).toEqual({ begun: [], decisions: ['ignore: this patchset is being tested'] });
  });

  test('is rejected by a daemon that only monitors', async () => {
    const ci = await started({ starts: false });
    await expect(perform(ci, { do: 'recheck', change: 7 })).rejects.toEqual(
      rejection('refused', 'only monitors'),
    );
  });
});

test('ping, reload and resume-voting return their results', async () => {
  const ci = await started();
  expect(await perform(ci, { do: 'ping' })).toEqual({ pid: 42, version: '1' });
  expect(await perform(ci, { do: 'reload' })).toBe(RELOADED);
  expect(await perform(ci, { do: 'resume-voting' })).toEqual({ resumed: false });
});

test('an alarm is acknowledged with the operator and the reason', async () => {
  const ci = await started();
  const alarm = { kind: 'disk-low', target: '/state' } as const;
  ci.store.alarm({ ...alarm, message: 'full', hint: '' }, 1);
  ci.store.alarm({ ...alarm, target: '/logs', message: 'full', hint: '' }, 2);
  const unknown = { do: 'acknowledge', alarm: { kind: 'disk-low', target: '/none' } } as const;
  await expect(perform(ci, unknown)).rejects.toEqual(
    rejection('unknown', 'there is no alarm disk-low /none'),
  );
  expect(await perform(ci, { do: 'acknowledge', alarm })).toEqual({ acknowledged: 1 });
  expect(await perform(ci, { do: 'acknowledge', alarm })).toEqual({ acknowledged: 0 });
  expect(await perform(ci, { do: 'acknowledge', alarm: null })).toEqual({ acknowledged: 1 });
  expect(await perform(ci, { do: 'acknowledge', alarm: null })).toEqual({ acknowledged: 0 });
  expect(ci.store.alarms(9).map((alarm) => [alarm.acknowledgedBy, alarm.acknowledgedWhy])).toEqual([
    [OPERATOR.who, OPERATOR.why],
    [OPERATOR.who, OPERATOR.why],
  ]);
});
