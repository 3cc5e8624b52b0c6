/**
 * Limits delay starts but never lose them: the newest patchset is always tested, and a waiting start cancels no job.
 */
import { describe, expect, test } from 'vitest';
import { persistentAlarms } from '../../../src/engine/operations/alarm-sink.ts';
import type { Adapters } from '../../../src/engine/ports/adapters.ts';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import { MAX_WAITING_CHANGES } from '../../../src/machines/trigger/rules/rate-limit.ts';
import { jobSpec } from '../../machines/facts.ts';
import { jobRules } from '../../machines/rule-facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { abandoned, comment, created, FIRST } from '../../scenarios/gerrit-events.ts';
import { violations } from '../../scenarios/violations.ts';

const MANY = { change: 100, author: 100, project: 100, total: 100 };
const HOUR = 3_600_000;
const AT = 1_767_323_045_000;

function recheck(second: number, patchset = 1): GerritEvent {
  return { ...comment('recheck', 'alice', FIRST, patchset), at: AT + second * 1_000 } as GerritEvent;
}

/** `patchset verdict`, oldest first. */
const tested = (ci: CiHarness) => ci.jobs().map(({ patchset, verdict }) => `${patchset} ${verdict}`);

async function startCi(options: ConstructorParameters<typeof CiHarness>[0]): Promise<CiHarness> {
  const ci = new CiHarness(options);
  await ci.start();
  return ci;
}

describe('a burst', () => {
  test('of patchsets on one change ends with the newest one tested, and delays nothing', async () => {
    const ci = await startCi({ rules: { limits: { ...MANY, change: 20 } } });
    for (let patchset = 1; patchset <= 61; patchset += 1) {
      ci.emit({ ...created(FIRST, patchset), at: AT + Math.floor(patchset / 7) * 1_000 } as GerritEvent);
      if (patchset % 10 === 0) await ci.untilIdle();
    }
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(tested(ci).at(-1)).toBe('61 SUCCESS');
    expect(tested(ci).slice(0, -1)).toEqual(Array.from({ length: 60 }, (_, at) => `${at + 1} ABORTED`));
    expect(ci.reviewer.posted).toHaveLength(1);
    expect(ci.clock.now() - AT).toBeLessThan(HOUR);
    // A request afterwards runs at once.
    ci.emit(recheck(600, 61));
    await ci.run();
    expect(tested(ci).slice(-2)).toEqual(['61 SUCCESS', '61 SUCCESS']);
    expect(ci.clock.now() - AT).toBeLessThan(HOUR);
  });

  test('of patchsets without superseding starts up to the limit at once, and the newest one later', async () => {
    const ci = await startCi({ rules: { limits: { ...MANY, change: 3 }, supersede: 'never' }, slots: 9 });
    for (let patchset = 1; patchset <= 8; patchset += 1) ci.emit(created(FIRST, patchset));
    await ci.run(() => ci.jobs().length === 3 && ci.openWork().length === 0);
    expect(tested(ci)).toEqual(['1 SUCCESS', '2 SUCCESS', '3 SUCCESS']);
    expect(ci.store.waitingStarts()).toMatchObject([
      { rule: 'limit-change', start: { patchset: { patchset: 8 } } },
    ]);
    await ci.run();
    expect(tested(ci).slice(3)).toEqual(['8 SUCCESS']);
    expect(ci.store.waitingStarts()).toEqual([]);
    expect(ci.store.intake()).toMatchObject({ 'delayed:limit-change': 5 });
  });

  test('raises an alarm once an hour, for each account separately', async () => {
    const wrapAdapters = (adapters: Adapters, { store, clock, log }: CiHarness): Adapters => {
      return {
        ...adapters,
        alarms: persistentAlarms(store, clock, log, { alarmRepeatAfterMs: 0, maxAlarms: 10 }, () => {}),
      };
    };
    const ci = await startCi({ rules: { limits: { ...MANY, author: 1 } }, wrapAdapters, slots: 9 });
    for (const by of ['alice', 'bob']) {
      for (let change = 1; change <= 5; change += 1) ci.emit(comment('recheck', by, change));
      await ci.run(() => ci.undelivered === 0 && ci.openWork().length === 0);
    }
    const alarms = () => ci.store.alarms(9).map(({ target, times }) => `${target} ${times}`);
    expect(alarms().sort()).toEqual(['limit-author alice 1', 'limit-author bob 1']);
    await ci.clock.advance(HOUR);
    for (const change of [8, 9]) ci.emit(comment('recheck', 'alice', change));
    await ci.untilIdle();
    expect(alarms().sort()).toEqual(['limit-author alice 2', 'limit-author bob 1']);
  });

  test('of rechecks on one change delays the last of them, once', async () => {
    const ci = await startCi({ rules: { limits: { ...MANY, change: 2 } } });
    for (let second = 0; second < 8; second += 1) {
      ci.emit(recheck(second));
      await ci.run(() => ci.openWork().length === 0 && ci.undelivered === 0);
    }
    expect(ci.jobs()).toHaveLength(2);
    await ci.run();
    expect(tested(ci)).toEqual(['1 SUCCESS', '1 SUCCESS', '1 SUCCESS']);
  });

  test.each([
    ['author', { ...MANY, author: 2 }],
    ['project', { ...MANY, project: 2 }],
    ['total', { ...MANY, total: 2 }],
  ])('over several changes is spread by the limit of %s', async (name, limits) => {
    const ci = await startCi({ rules: { limits }, slots: 5 });
    for (const change of [1, 2, 3, 4]) ci.emit(created(change));
    await ci.run(() => ci.undelivered === 0 && ci.openWork().length === 0);
    expect(ci.jobs().map(({ change }) => change)).toEqual([1, 2]);
    expect(ci.store.intake()).toMatchObject({ [`delayed:limit-${name}`]: 2 });
    await ci.run();
    expect(ci.jobs().map(({ change, verdict }) => `${change} ${verdict}`)).toEqual(
      [1, 2, 3, 4].map((change) => `${change} SUCCESS`),
    );
  });

  test('that fills the queue starts when jobs have ended, and raises an alarm', async () => {
    const ci = await startCi({ queueLength: 2, slots: 1 });
    for (const change of [1, 2, 3]) ci.emit(created(change));
    await ci.untilIdle();
    expect(ci.store.waitingStarts()).toMatchObject([{ rule: 'queue-full', start: { jobs: ['acme-dsvm'] } }]);
    expect(ci.alarms.raised).toMatchObject([{ kind: 'queue-full' }]);
    await ci.run();
    expect(ci.jobs().map(({ change, verdict }) => `${change} ${verdict}`)).toEqual(
      [1, 2, 3].map((change) => `${change} SUCCESS`),
    );
  });

  test('that fills the queue with one change cancels only superseded jobs', async () => {
    const ci = await startCi({ queueLength: 1, slots: 1 });
    ci.emit(created(1));
    await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
    ci.emit(created(2));
    ci.emit(created(2, 2));
    ci.emit(created(1, 2));
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(ci.jobs().map(({ change, patchset, verdict }) => `${change},${patchset} ${verdict}`)).toEqual([
      '1,1 ABORTED',
      '1,2 SUCCESS',
      '2,2 SUCCESS',
    ]);
  });
});

test('a start with more jobs than the queue allows begins when the queue is empty', async () => {
  const specs = [jobSpec(), jobSpec({ name: 'other' })];
  const ci = await startCi({ queueLength: 1, slots: 2, specs });
  ci.emit(created());
  await ci.run();
  expect(tested(ci)).toEqual(['1 SUCCESS', '1 SUCCESS']);
});

describe('a waiting start', () => {
  const limits = { ...MANY, change: 1 };

  test('survives a restart', async () => {
    const ci = await startCi({ rules: { limits } });
    ci.emit(created());
    await ci.run();
    ci.emit(recheck(60));
    await ci.untilIdle();
    expect(ci.store.waitingStarts()).toHaveLength(1);
    await ci.restart();
    expect(ci.jobs()).toHaveLength(1);
    await ci.run();
    expect(tested(ci)).toEqual(['1 SUCCESS', '1 SUCCESS']);
  });

  test('is dropped when the change is closed', async () => {
    const ci = await startCi({ rules: { limits } });
    ci.emit(created());
    await ci.run();
    ci.emit(recheck(60));
    ci.emit(abandoned());
    await ci.run();
    expect([ci.store.waitingStarts(), ci.jobs().length]).toEqual([[], 1]);
  });

  test('is replaced by a newer patchset, and adds the jobs of a request', async () => {
    const jobs = [jobRules({ name: 'a' }), jobRules({ name: 'b', triggers: [], comments: [] })];
    jobs[1] = jobRules({ name: 'b', triggers: ['recheck'], comments: ['^run b'] });
    const ci = await startCi({
      rules: { limits, jobs, recheck: false },
      specs: [jobSpec({ name: 'a' }), jobSpec({ name: 'b' })],
    });
    ci.emit(created());
    await ci.run();
    ci.emit(created(FIRST, 2));
    ci.emit(created(FIRST, 3));
    await ci.untilIdle();
    expect(ci.store.waitingStarts()).toMatchObject([{ start: { jobs: ['a'], patchset: { patchset: 3 } } }]);
    const request = comment('run b');
    if (request.type !== 'comment-added') throw new Error(request.type);
    ci.emit({ ...request, patchset: { ...request.patchset, patchset: 3 } });
    await ci.untilIdle();
    expect(ci.store.waitingStarts()).toMatchObject([
      { start: { jobs: ['a', 'b'], patchset: { patchset: 3 } } },
    ]);
    await ci.run();
    expect(ci.jobs().map(({ name, patchset }) => `${name} ${patchset}`)).toEqual(['a 1', 'a 3', 'b 3']);
  });

  test('moves to a newer patchset that changes nothing', async () => {
    const jobs = [jobRules({ kinds: { include: [], exclude: ['TRIVIAL_REBASE'] } })];
    const ci = await startCi({ rules: { limits, jobs } });
    ci.emit(created());
    await ci.run();
    ci.emit(created(FIRST, 2));
    ci.emit({ ...created(FIRST, 3), kind: 'TRIVIAL_REBASE' } as GerritEvent);
    await ci.run();
    expect(tested(ci)).toEqual(['1 SUCCESS', '3 SUCCESS']);
  });
});

describe('a waiting start whose jobs are removed from the configuration', () => {
  const kinds = { include: [], exclude: ['TRIVIAL_REBASE'] };
  const rulesOf = (names: readonly string[]) => names.map((name) => jobRules({ name, kinds }));

  /** A start of both jobs waits while the configuration loses all but `left`. */
  async function reloaded(left: readonly string[]): Promise<CiHarness> {
    const names = ['old', 'kept'];
    const ci = await startCi({
      rules: { limits: { ...MANY, author: 1 }, jobs: rulesOf(names) },
      specs: names.map((name) => jobSpec({ name })),
      slots: 2,
    });
    ci.emit(created(1));
    ci.emit(created(FIRST));
    await ci.untilIdle();
    expect(ci.store.waitingStarts()).toMatchObject([{ start: { jobs: names } }]);
    const { rules, specs, ...settings } = ci.daemon.admission.settings;
    ci.daemon.admission.updateSettings({
      ...settings,
      rules: { ...rules, jobs: rulesOf(left) },
      specs: new Map([...specs].filter(([name]) => left.includes(name))),
    });
    return ci;
  }
  const started = (ci: CiHarness) =>
    ci.jobs().flatMap(({ change, patchset, name }) => (change === FIRST ? [`${name} ${patchset}`] : []));

  test('adds only the others to a request', async () => {
    const ci = await reloaded(['kept']);
    ci.emit(comment('recheck', 'bob'));
    await ci.untilIdle();
    expect([started(ci), ci.store.waitingStarts()]).toEqual([['kept 1'], []]);
  });

  test('moves to a newer patchset with the others', async () => {
    const ci = await reloaded(['kept']);
    ci.emit({ ...created(FIRST, 2), kind: 'TRIVIAL_REBASE' } as GerritEvent);
    await ci.untilIdle();
    expect(ci.store.waitingStarts()).toMatchObject([
      { start: { jobs: ['kept'], patchset: { patchset: 2 } } },
    ]);
    await ci.run();
    expect(started(ci)).toEqual(['kept 2']);
  });

  test('is dropped when a newer patchset arrives and no other is left', async () => {
    const ci = await reloaded(['new']);
    ci.emit({ ...created(FIRST, 2), kind: 'TRIVIAL_REBASE' } as GerritEvent);
    await ci.untilIdle();
    expect([started(ci), ci.store.waitingStarts()]).toEqual([[], []]);
  });
});

test('a start beyond the limit of waiting starts is found again in Gerrit later', async () => {
  const ci = await startCi({
    rules: { limits: { ...MANY, change: 1, total: 10_000, author: 10_000, project: 10_000 } },
    queueLength: 1,
    slots: 1,
  });
  ci.emit(created(1));
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  for (let change = 2; change <= MAX_WAITING_CHANGES + 3; change += 1) ci.emit(created(change));
  await ci.run(() => ci.undelivered === 0);
  expect(ci.store.waitingStarts()).toHaveLength(MAX_WAITING_CHANGES);
  expect(ci.alarms.raised.map(({ message }) => message)).toContainEqual(
    expect.stringContaining(`${MAX_WAITING_CHANGES} changes wait already`),
  );
  const position = ci.store.intakePosition()?.position;
  expect(ci.jobs()).toHaveLength(1);
  expect(ci.store.ignoredRequests(MAX_WAITING_CHANGES + 3, 9)).toMatchObject([{ rule: 'waiting-full' }]);
  for (let change = 2; change <= MAX_WAITING_CHANGES / 2 + 10; change += 1) ci.emit(abandoned(change));
  await ci.run(
    () =>
      ci.undelivered === 0 &&
      ci.store.waitingStarts().some(({ start }) => start.patchset.change > MAX_WAITING_CHANGES + 1),
  );
  expect(ci.store.intakePosition()?.position).toBeGreaterThanOrEqual(position ?? 0);
});

test('starts are counted at the times of their events, so a catch-up does not reach the limits', async () => {
  const ci = await startCi({ rules: { limits: { ...MANY, project: 2 } }, slots: 9 });
  for (const hour of [0, 1, 2, 3, 4])
    ci.emit({ ...created(100 + hour), at: AT + hour * HOUR } as GerritEvent);
  await ci.untilIdle();
  expect(ci.jobs()).toHaveLength(5);
});
