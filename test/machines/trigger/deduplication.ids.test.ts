/** Comments that have ids are matched by id, not by time and text. */
import { describe, expect, test } from 'vitest';
import {
  type EventFingerprint,
  matchSeen,
  type SeenEvent,
} from '../../../src/machines/trigger/deduplication.ts';

const NOON = 1_795_350_000_000;
const comment = (
  id: string | null,
  seconds = 0,
  changes: Partial<EventFingerprint> = {},
): EventFingerprint => ({
  kind: 'comment',
  change: 7,
  patchset: 3,
  account: 'alice',
  text: 'recheck',
  at: NOON + seconds * 1_000,
  ...(id === null ? {} : { id }),
  ...changes,
});
const seen = (number: number, id: string | null, seconds = 0): SeenEvent => {
  return { ...comment(id, seconds), number, streamed: true, hidden: false };
};
const query = (
  entries: readonly EventFingerprint[],
  before: readonly SeenEvent[],
  during: readonly SeenEvent[] = [],
) => {
  const { fresh, ambiguous, named } = matchSeen(entries, before, during, 5_000);
  return { fresh: fresh.map(({ id }) => id), ambiguous, named };
};

describe('a comment with an id', () => {
  test('is recognized with any time and text', () => {
    expect(query([comment('a', 3_600, { text: 'x', account: 'bob' })], [seen(1, 'a')]).fresh).toEqual([]);
  });

  test('matches no other comment, even one with the same second and text', () => {
    expect(query([comment('a'), comment('b'), comment('c')], [seen(1, 'a'), seen(2, 'c')]).fresh).toEqual([
      'b',
    ]);
    expect(query([comment('b')], [seen(1, 'a')]).fresh).toEqual(['b']);
  });

  test('is new once, in order of time', () => {
    expect(query([comment('b', 2), comment('a', 1), comment('c', 3)], []).fresh).toEqual(['a', 'b', 'c']);
  });
});

describe('a comment from the stream', () => {
  test('gets the id of its counterpart, and matches nothing else', () => {
    expect(query([comment('a', 1)], [seen(1, null)])).toEqual({
      fresh: [],
      ambiguous: false,
      named: [{ number: 1, id: 'a' }],
    });
  });

  test('eight equal comments in a second and three that were missed: three are new, each gets its own id', () => {
    const heard = Array.from({ length: 8 }, (_, number) => seen(number + 1, null, number % 2));
    const all = Array.from({ length: 11 }, (_, number) => comment(`m${number}`));
    const { fresh, named } = query(all, heard);
    expect(fresh.length).toBe(3);
    expect(new Set(named.map(({ number }) => number)).size).toBe(8);
    expect(new Set([...named.map(({ id }) => id), ...fresh]).size).toBe(11);
  });

  test('during the query makes the result ambiguous, as without ids', () => {
    expect(query([comment('a')], [], [seen(1, null)])).toEqual({
      fresh: [],
      ambiguous: true,
      named: [{ number: 1, id: 'a' }],
    });
  });
});

test('when Gerrit is queried over SSH, comments with ids are matched by text and time', () => {
  expect(query([comment(null, 1), comment(null, 2)], [seen(1, 'a')])).toMatchObject({
    fresh: [undefined],
    named: [],
  });
});
