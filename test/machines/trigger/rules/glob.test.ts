/** Globs for names: matches, overlaps, and no slow patterns. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matches, overlap } from '../../../../src/machines/trigger/rules/glob.ts';

describe('globs', () => {
  test.each([
    ['master', 'master', true],
    ['master', 'master2', false],
    ['', '', true],
    ['*', '', true],
    ['*', 'any/thing', true],
    ['stable/*', 'stable/2026.1', true],
    ['stable/*', 'stable/', true],
    ['stable/*', 'unstable/1', false],
    ['*-eol', 'x-eol', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'acb', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*a*', 'bab', true],
    ['**', 'x', true],
    ['a**b', 'ab', true],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
  ])('%s and %s: %s', (glob, text, expected) => {
    expect(matches(glob, text)).toBe(expected);
  });

  test('that take years with backtracking are matched', () => {
    expect(matches(`${'*a'.repeat(500)}b`, 'a'.repeat(50_000))).toBe(false);
    expect(matches(`${'a*'.repeat(500)}b`, 'a'.repeat(50_000))).toBe(false);
  });
});

describe('two globs overlap', () => {
  test.each([
    ['a', 'a', true],
    ['a', 'b', false],
    ['', '', true],
    ['*', '', true],
    ['*', '*', true],
    ['openstack/*', '*/cinder', true],
    ['openstack/*', 'x/cinder', false],
    ['stable/*', 'master', false],
    ['stable/*', 'stable/2026.1', true],
    ['a*c', 'ab*', true],
    ['a*b', '*c', false],
    ['*a*', '*b*', true],
    ['a*a', 'a', false],
  ])('%j and %j: %s', (one, other, expected) => {
    expect([overlap(one, other), overlap(other, one)]).toEqual([expected, expected]);
  });

  test('if a text matches both', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 });
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
    fc.assert(
      fc.property(glob, glob, text, (one, other, name) => {
        expect(overlap(one, other) || !(matches(one, name) && matches(other, name))).toBe(true);
      }),
    );
  });
});
