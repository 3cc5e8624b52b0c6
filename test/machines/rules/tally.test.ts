/** Starts counted in memory are counted as the store counts them. */
import { expect, test } from 'vitest';
import { Tally } from '../../../src/machines/rules/tally.ts';
import { PATCHSET } from '../facts.ts';

const HOUR = 3_600_000;
const start = (at: number, change = 1, by = 'alice', project = 'p') => ({
  patchset: { ...PATCHSET, change, project },
  by,
  at,
});

test('by change, account, project and all', () => {
  const tally = new Tally();
  expect(tally.counts(start(0))).toEqual({ change: 0, author: 0, project: 0, all: 0 });
  tally.add(start(10));
  tally.add(start(20, 1, 'bob'));
  tally.add(start(30, 2, 'alice'));
  tally.add(start(40, 1, 'alice', 'other'));
  expect(tally.counts(start(50))).toEqual({ change: 2, author: 3, project: 3, all: 4 });
});

test('in the hour up to the one that is asked about', () => {
  const tally = new Tally();
  for (const at of [0, 1, HOUR, HOUR + 5]) tally.add(start(at));
  expect(tally.counts(start(HOUR)).all).toBe(2);
  expect(tally.counts(start(HOUR + 1)).all).toBe(1);
  expect(tally.counts(start(HOUR + 5)).all).toBe(2);
});

test('what is long over is forgotten', () => {
  const tally = new Tally();
  for (let index = 0; index < 10_000; index += 1) tally.add(start(index * HOUR));
  expect(tally.counts(start(9_999 * HOUR)).all).toBe(1);
});
