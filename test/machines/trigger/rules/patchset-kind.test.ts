/** Which kinds of patchset are tested. */
import { expect, test } from 'vitest';
import { whyNotKind } from '../../../../src/machines/trigger/rules/patchset-kind.ts';

test.each([
  ['REWORK', [], [], true],
  ['TRIVIAL_REBASE', [], ['TRIVIAL_REBASE', 'NO_CODE_CHANGE'], false],
  ['NO_CODE_CHANGE', [], ['TRIVIAL_REBASE', 'NO_CODE_CHANGE'], false],
  ['REWORK', [], ['TRIVIAL_REBASE'], true],
  ['REWORK', ['REWORK'], [], true],
  ['NO_CHANGE', ['REWORK'], [], false],
  ['REWORK', ['REWORK'], ['REWORK'], false],
  ['NEW_KIND', [], ['TRIVIAL_REBASE'], true],
  ['', ['REWORK'], ['TRIVIAL_REBASE'], true],
])('%j with only %j and never %j: %s', (kind, only, never, expected) => {
  expect(whyNotKind(kind, { include: only, exclude: never }) === null).toBe(expected);
});

test('the reason names the kind', () => {
  expect(whyNotKind('NO_CHANGE', { include: [], exclude: ['NO_CHANGE'] })).toBe(
    'the patchset is a NO_CHANGE',
  );
});
