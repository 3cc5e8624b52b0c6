/** Ids sort by the time of their creation, and show their kind. */
import { expect, test } from 'vitest';
import { idMaker } from '../../../src/engine/intake/ids.ts';

test('sort by time, with any random part', () => {
  let chance = 0;
  const newId = idMaker(() => {
    chance = (chance + 13) % 32;
    return chance;
  });
  const times = [0, 1, 31, 32, 1_000, Date.UTC(2026, 0), Date.UTC(2026, 0) + 1, Date.UTC(2999, 0)];
  const ids = times.map((now) => newId('j', now));
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids.map((id) => id.length))).toEqual(new Set([17]));
});

test('begin with the kind, and have only unambiguous characters', () => {
  const newId = idMaker(() => 31);
  expect(newId('r', Date.UTC(2026, 0))).toMatch(/^r[0-9a-hjkmnp-tv-z]{16}$/);
  expect(newId('j', 5)).toBe('j000000005zzzzzzz');
});
