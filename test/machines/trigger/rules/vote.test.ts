/** Distinguishes votes that an event casts from votes that existed before, and matches them to rules. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Approval } from '../../../../src/machines/model/gerrit-event.ts';
import {
  fits,
  type VoteRule,
  votesCast,
  votesInHeader,
  voteText,
} from '../../../../src/machines/trigger/rules/vote.ts';
import { CODE_POINT } from '../../../fixtures/code-point.ts';

const approval = (label: string, value: number, oldValue: number | null = null): Approval => ({
  label,
  value,
  oldValue,
});
const cast = (comment: string, ...approvals: readonly Approval[]) =>
  votesCast({ comment, approvals }).map(({ label, value }) => `${label}${value}`);

describe('a vote that was cast', () => {
  test('has an old value', () => {
    expect(cast('Patch Set 3: Verified+1', approval('Verified', 1, 0), approval('Code-Review', 0))).toEqual([
      'Verified1',
    ]);
    expect(cast('', approval('Verified', 1, -1))).toEqual(['Verified1']);
    expect(cast('', approval('Verified', 0, 1))).toEqual(['Verified0']);
  });

  test('is not a vote that existed before', () => {
    expect(cast('Patch Set 3:\n\nrecheck', approval('Verified', 1), approval('Code-Review', 0))).toEqual([]);
    expect(cast('Patch Set 3:', approval('Verified', 0))).toEqual([]);
    expect(
      cast('Patch Set 3: Code-Review+1', approval('Verified', 1), approval('Code-Review', 1, 0)),
    ).toEqual(['Code-Review1']);
  });

  test('is not a vote with the same value as before', () => {
    expect(cast('Patch Set 3: Verified+1', approval('Verified', 1, 1))).toEqual([]);
  });

  test('is named in the header if the server reports no old values', () => {
    expect(cast('Patch Set 3: Verified+1\n\nBuild succeeded', approval('Verified', 1))).toEqual([
      'Verified1',
    ]);
    expect(cast('Patch Set 3: -Verified')).toEqual(['Verified0']);
  });
});

test.each([
  ['Patch Set 3: Verified+1', ['Verified+1']],
  ['Patch Set 12: Code-Review-2 Workflow+1\n\nno', ['Code-Review-2', 'Workflow+1']],
  ['Patch Set 3: -Verified', ['Verified+0']],
  ['Patch Set 3: Verified+1 and text Code-Review+1', ['Verified+1']],
  ['Patch Set 3:\n\nVerified+1', []],
  ['Patch Set 3: looks good', []],
  ['Verified+1', []],
  ['', []],
])('the header of %j', (comment, expected) => {
  expect(votesInHeader(comment).map(voteText)).toEqual(expected);
});

describe('a rule', () => {
  const zuul = { username: 'zuul', name: 'Zuul', email: '' };
  const rule: VoteRule = { label: 'Verified', value: 1, min: null, by: ['zuul'], from: [] };
  const vote = { label: 'Verified', value: 1, oldValue: 0 };

  test.each<[string, Partial<typeof vote> | { oldValue: null }, Partial<VoteRule>, boolean]>([
    ['this vote', {}, {}, true],
    ['another label', { label: 'Workflow' }, {}, false],
    ['another value', { value: 2 }, {}, false],
    ['a value below zero', { value: -1 }, {}, false],
    ['at least', { value: 2 }, { value: null, min: 1 }, true],
    ['less than the minimum', { value: 0 }, { value: null, min: 1 }, false],
    ['another account', {}, { by: ['jenkins'] }, false],
    ['any account', {}, { by: ['*'] }, true],
    ['no account', {}, { by: [] }, false],
    ['a listed old value', {}, { from: [-1, 0] }, true],
    ['an old value that is not listed', {}, { from: [-1] }, false],
    ['an unknown old value', { oldValue: null }, { from: [0] }, false],
    ['neither value nor minimum', {}, { value: null, min: null }, false],
  ])('for %s', (_what, cast, rules, expected) => {
    expect(fits({ ...vote, ...cast }, zuul, { ...rule, ...rules })).toBe(expected);
  });
});

test('does not throw for any comment', () => {
  fc.assert(
    fc.property(fc.string({ unit: CODE_POINT }), (text) => {
      expect(Array.isArray(votesInHeader(`Patch Set 1: ${text}`))).toBe(true);
    }),
  );
  expect(votesInHeader(`Patch Set 1:${' A+1'.repeat(100_000)}`)).toHaveLength(100_000);
});
