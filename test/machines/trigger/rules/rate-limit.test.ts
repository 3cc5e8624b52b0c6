/** Limits for starts in an hour. */
import { expect, test } from 'vitest';
import { countsOf, exceeded } from '../../../../src/machines/trigger/rules/rate-limit.ts';

const LIMITS = { change: 2, author: 3, project: 4, total: 5 };
const NO_STARTS = { change: 0, author: 0, project: 0, total: 0 };
const OF = { change: 912345, by: 'alice', project: 'openstack/cinder' };

test.each([
  [{}, null],
  [{ change: 1, author: 2, project: 3, total: 4 }, null],
  [{ change: 2 }, 'limit-change'],
  [{ author: 3 }, 'limit-author'],
  [{ project: 4 }, 'limit-project'],
  [{ total: 5 }, 'limit-total'],
  [{ change: 9, author: 9, project: 9, total: 9 }, 'limit-change'],
])('%j reaches %s', (counts, rule) => {
  expect(exceeded(LIMITS, { ...NO_STARTS, ...counts }, OF)?.rule ?? null).toBe(rule);
});

test('the reason names the change, account or project', () => {
  const why = (counts: object) => exceeded(LIMITS, { ...NO_STARTS, ...counts }, OF)?.why;
  expect(why({ change: 2 })).toBe('change 912345 was started 2 times in the hour before');
  expect(why({ author: 7 })).toBe('alice has started 3 times in the hour before');
  expect(why({ project: 4 })).toBe('changes of openstack/cinder were started 4 times in the hour before');
  expect(why({ total: 5 })).toBe('changes were started 5 times in the hour before');
});

test('a limit of 0 starts nothing', () => {
  expect(exceeded({ ...LIMITS, total: 0 }, NO_STARTS, OF)?.rule).toBe('limit-total');
});

test('starts are counted by change, account, project and all', () => {
  const start = (change: number, by: string, project = 'p') => ({ review: 'r', at: 1, change, by, project });
  const starts = [start(1, 'alice'), start(1, 'bob'), start(2, 'alice'), start(1, 'alice', 'other')];
  const counts = countsOf(starts, { change: 1, by: 'alice', project: 'p' });
  expect(counts).toEqual({ change: 2, author: 3, project: 3, total: 4 });
});
