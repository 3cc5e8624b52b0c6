/** Slots: never more holders than the limit, a free one is granted at once, and the order survives a restart. */
import { expect, test } from 'vitest';
import { Slots } from '../../../src/engine/loop/slots.ts';
import type { SlotLimits, SlotRequest } from '../../../src/machines/slot-queue.ts';

function slotsOf(slots: Readonly<Record<string, number>>, changes: Partial<SlotLimits> = {}) {
  const granted: string[] = [];
  const clock = { now: 1_000 };
  const made = new Slots({
    limits: { slots, jobs: {}, projects: {}, backends: {}, starvationTimeoutMs: 60_000, ...changes },
    now: () => clock.now,
    grant: ({ history }) => granted.push(history),
  });
  return { slots: made, granted, clock };
}

type Request = Omit<SlotRequest, 'order'>;
const request = (history: string, changes: Partial<Request> = {}): Request => ({
  history,
  key: 'slot',
  provider: 'local',
  name: 'unit',
  project: 'cinder',
  headStartMs: 0,
  promoted: false,
  requestedAt: 0,
  ...changes,
});
const HOLDS = { provider: 'local', name: 'unit', project: 'cinder' };
const isPending = () => true;

test('grants in the order of the requests, up to the capacity, and the next when one is free', () => {
  const { slots, granted } = slotsOf({ local: 2 });
  for (const job of ['a', 'b', 'c', 'd']) slots.request(request(job));
  expect(granted).toEqual(['a', 'b']);
  for (const job of ['a', 'b']) slots.sync(job, HOLDS);
  slots.sync('a', null);
  expect(granted).toEqual(['a', 'b', 'c']);
});

test('each provider has its own slots; an unknown one has none', () => {
  const { slots, granted } = slotsOf({ one: 1, other: 1 });
  slots.request(request('a', { provider: 'one' }));
  slots.request(request('b', { provider: 'other' }));
  slots.request(request('c', { provider: 'gone' }));
  slots.request(request('d', { provider: 'toString' }));
  expect(granted).toEqual(['a', 'b']);
});

test('a restored holder counts, even above the capacity', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  for (const job of ['a', 'b']) slots.sync(job, HOLDS);
  slots.request(request('c'));
  slots.sync('a', null);
  expect(granted).toEqual([]);
  slots.sync('b', null);
  expect(granted).toEqual(['c']);
});

test('a granted unit of a back end is taken before its job has logged it', () => {
  const { slots, granted } = slotsOf({ local: 9 }, { backends: { array: 1 } });
  for (const job of ['a', 'b']) slots.request(request(job, { backends: ['array'] }));
  expect(granted).toEqual(['a']);
  slots.sync('a', { ...HOLDS, backends: ['array'] });
  slots.sync('a', null);
  expect(granted).toEqual(['a', 'b']);
});

test('a grant that is not logged yet is not a free slot, even if its job gets other events', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  slots.request(request('a'));
  slots.request(request('b'));
  slots.sync('a', null, isPending);
  expect(granted).toEqual(['a']);
  slots.sync('a', HOLDS);
  expect(granted).toEqual(['a']);
  slots.sync('a', null);
  expect(granted).toEqual(['a', 'b']);
});

test('a request that is cancelled between grant and log releases its slot', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  slots.request(request('a'));
  slots.request(request('b'));
  slots.sync('a', null, () => false);
  slots.withdraw('a', 'slot');
  expect(granted).toEqual(['a', 'b']);
});

test('a cancelled request is not served; once stopped, none is', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  slots.sync('holder', HOLDS);
  slots.request(request('a'));
  slots.request(request('b'));
  slots.withdraw('a', 'slot');
  slots.withdraw('b', 'an older key');
  slots.withdraw('nobody', 'slot');
  slots.sync('holder', null);
  expect(granted).toEqual(['b']);
  slots.stop();
  slots.sync('b', null);
  slots.request(request('c'));
  expect(granted).toEqual(['b']);
});

test('projects take turns, and a promoted request is next', () => {
  const { slots, granted, clock } = slotsOf({ local: 1 });
  for (const job of ['c1', 'c2', 'c3']) slots.request(request(job));
  for (const job of ['n1', 'n2']) slots.request(request(job, { project: 'nova' }));
  const end = (job: string) => {
    clock.now += 10;
    slots.sync(job, HOLDS);
    slots.sync(job, null);
  };
  end('c1');
  expect(granted).toEqual(['c1', 'n1']);
  slots.withdraw('c3', 'slot');
  slots.request(request('c3', { key: 'slot:1', promoted: true }));
  for (const job of ['n1', 'c3', 'n2']) end(job);
  expect(granted).toEqual(['c1', 'n1', 'c3', 'n2', 'c2']);
});

test('slots that become free at the same time are shared between the projects', () => {
  const { slots, granted } = slotsOf({ local: 4 });
  const release = slots.suspend();
  for (const job of ['c1', 'c2', 'c3', 'c4']) slots.request(request(job));
  for (const job of ['n1', 'n2']) slots.request(request(job, { project: 'nova' }));
  expect(granted).toEqual([]);
  release();
  release();
  expect(granted).toEqual(['c1', 'n1', 'c2', 'n2']);
});

test('the turns continue after those of an earlier daemon, even in the same millisecond', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  const release = slots.suspend();
  slots.restoreServedTimes([
    { provider: 'local', project: 'nova', at: 900 },
    { provider: 'local', project: 'cinder', at: 900 },
    { provider: 'cloud', project: 'nova', at: 950 },
  ]);
  slots.request(request('c1'));
  slots.request(request('n1', { project: 'nova', requestedAt: 5 }));
  release();
  expect(granted).toEqual(['n1']);
});

test('suspended twice, it grants after both releases, but not while stopped', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  const [one, other] = [slots.suspend(), slots.suspend()];
  slots.request(request('a'));
  one();
  expect(granted).toEqual([]);
  slots.stop();
  other();
  expect(granted).toEqual([]);
});

test('new limits apply at once, and no holder loses its slot', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  for (const job of ['a', 'b', 'c']) slots.request(request(job));
  slots.setLimits({ ...slots.limits, slots: { local: 2 }, jobs: { unit: 1 } });
  expect(granted).toEqual(['a']);
  slots.setLimits({ ...slots.limits, jobs: {} });
  expect(granted).toEqual(['a', 'b']);
  slots.setLimits({ ...slots.limits, slots: {} });
  slots.sync('a', null);
  expect(granted).toEqual(['a', 'b']);
  expect(slots.queue.holders).toHaveLength(1);
});

test('a slot that was reserved for an ended job is free for others', () => {
  const { slots, granted, clock } = slotsOf(
    { local: 1, cloud: 1 },
    { projects: { cinder: { concurrency: 1, priorityMs: 0 } } },
  );
  slots.sync('busy', { ...HOLDS, project: 'nova' });
  slots.request(request('waiter'));
  clock.now += 60_000;
  slots.request(request('young', { provider: 'cloud', requestedAt: clock.now }));
  expect(granted).toEqual([]);
  slots.withdraw('waiter', 'slot');
  expect(granted).toEqual(['young']);
});
