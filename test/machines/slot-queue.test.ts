/** The rules that choose the next request for a free slot. The property tests are in slot-queue.properties.test.ts. */
import { describe, expect, test } from 'vitest';
import {
  asJanitor,
  blockedBy,
  fairShareKey,
  nextRequest,
  type SlotHolder,
  type SlotLimits,
  type SlotQueue,
  type SlotRequest,
  servingOrder,
} from '../../src/machines/slot-queue.ts';

const HOUR = 3_600_000;
const NOW = 100 * HOUR;
const LIMITS: SlotLimits = {
  slots: { local: 2 },
  jobs: {},
  projects: {},
  backends: {},
  starvationTimeoutMs: HOUR,
};
let orders = 0;

function request(history: string, changes: Partial<SlotRequest> = {}): SlotRequest {
  orders += 1;
  return {
    history,
    key: 'slot',
    provider: 'local',
    name: 'unit',
    project: 'cinder',
    headStartMs: 0,
    promoted: false,
    requestedAt: NOW + orders,
    order: orders,
    ...changes,
  };
}

function queue(waiting: readonly SlotRequest[], changes: Partial<SlotQueue> = {}): SlotQueue {
  return { waiting, holders: [], served: new Map(), ...changes };
}

const holder = (changes: Partial<SlotHolder> = {}): SlotHolder => ({
  provider: 'local',
  name: 'unit',
  project: 'cinder',
  ...changes,
});
const served = (...turns: readonly (readonly [project: string, at: number])[]) =>
  new Map(turns.map(([project, at]) => [fairShareKey({ provider: 'local', project }), at]));
const next = (of: SlotQueue, limits = LIMITS, now = NOW) => nextRequest(of, limits, now)?.history ?? null;

describe('next is', () => {
  test('the oldest of one project', () => {
    expect(next(queue([request('a'), request('b')]))).toBe('a');
    expect(next(queue([]))).toBeNull();
  });

  test('one with a head start before one that is older by less than the head start', () => {
    const late = { requestedAt: NOW + 10 * HOUR };
    const old = request('old', { requestedAt: NOW });
    expect(next(queue([old, request('recheck', { ...late, headStartMs: 10 * HOUR + 1 })]))).toBe('recheck');
    expect(next(queue([old, request('recheck', { ...late, headStartMs: 10 * HOUR - 1 })]))).toBe('old');
  });

  test('one of the project that was served longest ago, even if others are older', () => {
    const waiting = [request('a', { requestedAt: 1 }), request('b', { project: 'nova' })];
    expect(next(queue(waiting, { served: served(['cinder', NOW], ['nova', NOW - 1]) }))).toBe('b');
    expect(next(queue(waiting, { served: served(['cinder', NOW - 1], ['nova', NOW]) }))).toBe('a');
  });

  test('one of a project that was never served before one of a project that was', () => {
    const waiting = [request('a'), request('b', { project: 'nova' })];
    expect(next(queue(waiting, { served: served(['cinder', 1]) }))).toBe('b');
  });

  test('one of a project that was served recently only on another provider', () => {
    const turns = new Map([
      [fairShareKey({ provider: 'local', project: 'cinder' }), 1],
      [fairShareKey({ provider: 'cloud', project: 'cinder' }), NOW],
      [fairShareKey({ provider: 'local', project: 'nova' }), 2],
    ]);
    expect(next(queue([request('b', { project: 'nova' }), request('a')], { served: turns }))).toBe('a');
  });

  test('one of the project that was just served, while its priority time lasts', () => {
    const limits = { ...LIMITS, projects: { cinder: { concurrency: null, priorityMs: HOUR } } };
    const waiting = [request('a'), request('b', { project: 'nova' })];
    const servedAgo = (ms: number) => queue(waiting, { served: served(['cinder', NOW], ['nova', NOW - ms]) });
    expect(next(servedAgo(HOUR - 1), limits)).toBe('a');
    expect(next(servedAgo(HOUR + 1), limits)).toBe('b');
  });

  test('a promoted one before all others, and the newest promotion first', () => {
    const waiting = [
      request('a', { requestedAt: 1, headStartMs: HOUR, project: 'nova' }),
      request('first', { promoted: true }),
      request('second', { promoted: true }),
    ];
    expect(next(queue(waiting, { served: served(['cinder', NOW]) }))).toBe('second');
  });
});

describe('a limit', () => {
  const obstacle = (of: SlotQueue, limits: SlotLimits, now = NOW) => {
    const [first] = of.waiting;
    return first === undefined ? null : blockedBy(first, of, limits, now);
  };

  test('of the provider blocks a request, and one that is not configured has no slot', () => {
    const full = queue([request('a')], { holders: [holder(), holder({ name: 'other', project: 'nova' })] });
    expect(obstacle(full, LIMITS)).toEqual({ by: 'provider', name: 'local', limit: 2 });
    expect(next(full)).toBeNull();
    const gone = queue([request('a', { provider: 'constructor' })]);
    expect(obstacle(gone, LIMITS)).toEqual({ by: 'provider', name: 'constructor', limit: 0 });
  });

  test('of the project or the job counts on all providers', () => {
    const elsewhere = queue([request('a')], { holders: [holder({ provider: 'cloud' })] });
    const ofProject = { ...LIMITS, projects: { cinder: { concurrency: 1, priorityMs: 0 } } };
    expect(obstacle(elsewhere, ofProject)).toEqual({ by: 'project', name: 'cinder', limit: 1 });
    expect(obstacle(elsewhere, { ...LIMITS, jobs: { unit: 1 } })).toEqual({
      by: 'job',
      name: 'unit',
      limit: 1,
    });
    expect(obstacle(elsewhere, { ...LIMITS, jobs: { unit: 2 } })).toBeNull();
  });

  test('of a back end counts all jobs that use it, on all providers', () => {
    const limits = { ...LIMITS, backends: { array: 2, switch: 1 } };
    const using = (...backends: readonly string[]) => holder({ provider: 'cloud', name: 'other', backends });
    const fc = request('a', { backends: ['array', 'switch'] });
    const blockedWith = (...holders: readonly SlotHolder[]) => obstacle(queue([fc], { holders }), limits);
    expect(blockedWith(using('array'))).toBeNull();
    expect(blockedWith(using('array'), using('array'))).toEqual({ by: 'backend', name: 'array', limit: 2 });
    expect(blockedWith(using('array', 'switch'))).toEqual({ by: 'backend', name: 'switch', limit: 1 });
    expect(blockedWith({ ...using('switch'), isHeld: true })).toBeNull();
    expect(obstacle(queue([request('b')], { holders: [using('array', 'switch')] }), limits)).toBeNull();
    const unknown = request('c', { backends: ['constructor'] });
    expect(obstacle(queue([unknown], { holders: [using('constructor')] }), limits)).toBeNull();
  });

  test('does not delay a later request that it does not block', () => {
    const limits = { ...LIMITS, jobs: { unit: 1 } };
    const waiting = [request('a', { promoted: true }), request('b', { name: 'other' })];
    expect(next(queue(waiting, { holders: [holder()] }), limits)).toBe('b');
  });
});

describe('starvation', () => {
  const limits: SlotLimits = {
    slots: { local: 1, cloud: 5 },
    jobs: {},
    projects: { cinder: { concurrency: 2, priorityMs: 0 } },
    backends: {},
    starvationTimeoutMs: HOUR,
  };
  const waiter = request('waiter', { requestedAt: NOW - HOUR });
  const young = request('young', { provider: 'cloud' });
  const busy = [holder({ project: 'nova', name: 'other' }), holder({ provider: 'cloud' })];

  test('reserves the last slot of a limit', () => {
    const both = queue([young, waiter], { holders: busy });
    expect(next(both, limits)).toBeNull();
    expect(blockedBy(young, both, limits, NOW)).toEqual({
      by: 'starvation',
      name: 'cinder',
      history: 'waiter',
    });
    expect(next(both, limits, NOW - 1)).toBe('young');
  });

  test('reserves one slot, not all', () => {
    expect(next(queue([young, waiter], { holders: busy.slice(0, 1) }), limits)).toBe('young');
  });

  test('ends with the reserved slot', () => {
    expect(next(queue([young, waiter], { holders: busy.slice(1) }), limits)).toBe('waiter');
  });

  test('does not block a promoted one', () => {
    const now = queue([{ ...young, promoted: true }, waiter], { holders: busy });
    expect(next(now, limits)).toBe('young');
  });

  test('reserves the slot for the oldest request, in any order of the list', () => {
    const older = request('older', { requestedAt: NOW - HOUR, headStartMs: 1 });
    const twin = { ...older, history: 'twin', order: older.order + 1 };
    for (const waiting of [
      [young, waiter, older, twin],
      [twin, older, waiter, young],
    ]) {
      expect(blockedBy(young, queue(waiting, { holders: busy }), limits, NOW)).toMatchObject({
        history: 'older',
      });
    }
  });
});

describe('a janitor', () => {
  const limits: SlotLimits = { ...LIMITS, slots: { local: 9 }, backends: { array: 2, switch: 1 } };
  const using = (...backends: readonly string[]) => holder({ backends });
  const janitor = (history: string, changes: Partial<SlotRequest> = {}) =>
    request(history, { ...asJanitor({ name: 'cleaner', backends: ['array'] }), ...changes });
  const job = (history: string, changes: Partial<SlotRequest> = {}) =>
    request(history, { backends: ['array'], ...changes });

  test('waits until no job uses its back ends, although a unit is free', () => {
    const waiting = [janitor('c')];
    expect(next(queue(waiting, { holders: [using('array')] }), limits)).toBeNull();
    expect(next(queue(waiting, { holders: [using('switch')] }), limits)).toBe('c');
    const removed = [janitor('c', { backends: ['gone'] })];
    expect(next(queue(removed, { holders: [using('gone')] }), limits)).toBeNull();
  });

  test('comes after every job that can start, promoted or not', () => {
    const early = janitor('c', { requestedAt: NOW - HOUR / 2 });
    expect(next(queue([early, job('a')]), limits)).toBe('a');
    expect(next(queue([early, job('a'), job('b', { promoted: true })]), limits)).toBe('b');
  });

  test('keeps jobs and janitors away that use the same back end, and no others', () => {
    const holders = [asJanitor({ name: 'cleaner', backends: ['array'] })];
    const waiting = [job('a', { promoted: true }), janitor('c'), request('b', { backends: ['switch'] })];
    const all = queue(waiting, { holders });
    expect(next(all, limits)).toBe('b');
    const [first] = waiting;
    expect(first && blockedBy(first, all, limits, NOW)).toEqual({
      by: 'janitor',
      name: 'cleaner',
      backend: 'array',
    });
  });

  test('reserves its back ends after waiting too long, but not before an older job', () => {
    const old = janitor('c', { requestedAt: NOW - HOUR });
    const busy = { holders: [using('array')] };
    expect(next(queue([old, job('a')], busy), limits)).toBeNull();
    expect(next(queue([old, job('a')], busy), limits, NOW - 1)).toBe('a');
    expect(next(queue([old, job('a')]), limits)).toBe('c');
    const older = job('older', { requestedAt: NOW - HOUR - 1 });
    expect(next(queue([old, older], busy), limits)).toBe('older');
  });
});

test('a request of a provider without slots reserves nothing', () => {
  const limited = { ...LIMITS, slots: { local: 2, gone: 0 }, backends: { array: 1 } };
  const old = request('old', { provider: 'gone', backends: ['array'], requestedAt: NOW - 2 * HOUR });
  const young = request('young', { backends: ['array'], requestedAt: NOW });
  expect(next(queue([old, young]), limited)).toBe('young');
  const usable = { ...limited, slots: { ...limited.slots, gone: 1 } };
  expect(next(queue([old, young]), usable)).toBe('old');
});

describe('the order in which a provider serves', () => {
  test('alternates between the projects, after promoted requests', () => {
    const of = (project: string) => (name: string) => request(name, { project });
    const [cinder, nova] = [of('cinder'), of('nova')];
    const waiting = [
      cinder('c1'),
      cinder('c2'),
      cinder('c3'),
      nova('n1'),
      nova('n2'),
      request('p', { promoted: true }),
      request('elsewhere', { provider: 'cloud' }),
    ];
    const all = servingOrder('local', queue(waiting), LIMITS, NOW, 10);
    expect(all.map(({ history }) => history)).toEqual(['p', 'n1', 'c1', 'n2', 'c2', 'c3']);
    expect(servingOrder('local', queue(waiting), LIMITS, NOW, 2)).toEqual(all.slice(0, 2));
  });

  test('is the order in which slots are granted one by one', () => {
    const waiting = ['a', 'b', 'c', 'd', 'e'].map((name, index) =>
      request(name, { project: index < 3 ? 'cinder' : 'nova', headStartMs: index % 2 === 0 ? 5 : 0 }),
    );
    const turns = served(['cinder', 7], ['nova', 9]);
    const order = servingOrder('local', queue(waiting, { served: turns }), LIMITS, NOW, 10);
    const given: string[] = [];
    for (let left = waiting, at = NOW; left.length > 0; at += 1) {
      const one = nextRequest(queue(left, { served: turns }), LIMITS, at);
      if (one === null) break;
      given.push(one.history);
      turns.set(fairShareKey(one), at);
      left = left.filter((other) => other !== one);
    }
    expect(order.map(({ history }) => history)).toEqual(given);
  });
});
