/** Slots: never more holders than capacity, oldest first, and a free one is given on at once. */
import { expect, test } from 'vitest';
import { Slots } from '../../src/engine/slots.ts';

function slotsOf(capacity: Readonly<Record<string, number>>) {
  const granted: string[] = [];
  const slots = new Slots(new Map(Object.entries(capacity)), (history) => granted.push(history));
  return { slots, granted };
}
const owes = () => true;

test('grants in the order of the requests, up to the capacity, and on when one is free', () => {
  const { slots, granted } = slotsOf({ local: 2 });
  for (const job of ['a', 'b', 'c', 'd']) slots.request('local', job, 'slot');
  expect(granted).toEqual(['a', 'b']);
  for (const job of ['a', 'b']) slots.update(job, 'local');
  slots.update('a', null);
  expect(granted).toEqual(['a', 'b', 'c']);
});

test('a provider has its own slots; one that nobody knows has none', () => {
  const { slots, granted } = slotsOf({ one: 1, other: 1 });
  slots.request('one', 'a', 'slot');
  slots.request('other', 'b', 'slot');
  slots.request('gone', 'c', 'slot');
  expect(granted).toEqual(['a', 'b']);
});

test('a restored holder counts, also over the capacity', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  for (const job of ['a', 'b']) slots.update(job, 'local');
  slots.request('local', 'c', 'slot');
  slots.update('a', null);
  expect(granted).toEqual([]);
  slots.update('b', null);
  expect(granted).toEqual(['c']);
});

test('a grant on its way to the log is not a free slot, whatever else its job is told meanwhile', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  slots.request('local', 'a', 'slot');
  slots.request('local', 'b', 'slot');
  slots.update('a', null, owes);
  expect(granted).toEqual(['a']);
  slots.update('a', 'local');
  expect(granted).toEqual(['a']);
  slots.update('a', null);
  expect(granted).toEqual(['a', 'b']);
});

test('one that is cancelled between grant and log gives its slot on', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  slots.request('local', 'a', 'slot');
  slots.request('local', 'b', 'slot');
  slots.update('a', null, () => false);
  slots.withdraw('a', 'slot');
  expect(granted).toEqual(['a', 'b']);
});

test('a request that was taken back is not served; paused, nothing is', () => {
  const { slots, granted } = slotsOf({ local: 1 });
  slots.update('holder', 'local');
  slots.request('local', 'a', 'slot');
  slots.request('local', 'b', 'slot');
  slots.withdraw('a', 'slot');
  slots.withdraw('nobody', 'slot');
  slots.update('holder', null);
  expect(granted).toEqual(['b']);
  slots.pause();
  slots.update('b', null);
  slots.request('local', 'c', 'slot');
  expect(granted).toEqual(['b']);
});
