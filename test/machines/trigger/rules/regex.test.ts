/** Regular expressions of the configuration: matches, the messages for invalid ones, and no slow patterns. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { finds, patternProblem } from '../../../../src/machines/trigger/rules/regex.ts';
import { CODE_POINT } from '../../../fixtures/code-point.ts';

describe('a pattern', () => {
  test.each([
    ['acme', 'x acme x', true],
    ['^acme', 'x acme', false],
    ['acme$', 'x acme', true],
    ['(?i)ACME', 'acme', true],
    ['^a.c$', 'a\nc', false],
    ['(?s)^a.c$', 'a\nc', true],
    ['(?m)^b$', 'a\nb\nc', true],
    ['\\.py$', 'a.py', true],
    ['\\bvolume\\b', 'a volume b', true],
    ['[', 'x[', false],
    ['', '', false],
  ])('%j and %j: %s', (pattern, text, expected) => {
    expect(finds(pattern, text)).toBe(expected);
  });

  test.each([
    ['(', 'missing closing )', 'RE2'],
    ['*.py', 'missing argument to repetition operator', 'not a glob'],
    ['(?=a)', 'invalid or unsupported Perl syntax', 'lookaround'],
    ['(?<!a)b', 'invalid', 'lookaround'],
    ['(a)\\1', 'invalid escape sequence', 'lookaround'],
    ['a{2000}', 'invalid repeat count', 'RE2'],
    ['(?:.{50}){20}', 'too large', 'repeat less'],
    ['a'.repeat(501), 'more than 500 characters', 'several'],
    ['', 'empty', 'remove'],
  ])('%j is rejected', (pattern, what, next) => {
    const problem = patternProblem(pattern);
    expect(problem?.what).toContain(what);
    expect(problem?.next).toContain(next);
  });

  test('that is valid has no problem', () => {
    expect(['a', '^(doc|docs)/', '(?i)run acme', '\\.(rst|md)$'].map(patternProblem)).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  test('that takes years with backtracking is matched', () => {
    const texts = ['a'.repeat(200_000), 'ab'.repeat(100_000), `${'x '.repeat(100_000)}!`];
    const patterns = ['(a+)+$', '(a|a)*b', '(?:a?){200}a{200}', '(.*a){40}$', '(\\w+\\s?)*!$'];
    expect(patterns.map((pattern) => texts.map((text) => finds(pattern, text)))).toEqual([
      [true, false, false],
      [false, true, false],
      [true, false, false],
      [true, false, false],
      // Only the beginning of a text is searched.
      [false, false, false],
    ]);
  });

  test('never throws, and either has a problem or can be matched', () => {
    fc.assert(
      fc.property(fc.string({ unit: CODE_POINT }), fc.string({ unit: CODE_POINT }), (pattern, text) => {
        const problem = patternProblem(pattern);
        const found = finds(pattern, text);
        expect(problem === null || !found).toBe(true);
      }),
    );
  });

  test('that was evicted from the cache is compiled again', () => {
    for (let index = 0; index < 1_200; index += 1) expect(finds(`^a${index}$`, `a${index}`)).toBe(true);
    expect(finds('^a0$', 'a0')).toBe(true);
  });
});
