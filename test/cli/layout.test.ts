import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cut, padStart, textWidth, wrap } from '../../src/cli/layout.ts';

describe('width', () => {
  test.each([
    ['abc', 3],
    ['北京', 4],
    ['e\u0301', 1],
    ['🚀', 2],
    ['', 0],
  ])('of %j', (text, width) => {
    expect(textWidth(text)).toBe(width);
  });

  test('is kept by cut, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 30 }), (text, width) => {
        expect(textWidth(cut(text, width))).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('wrap', () => {
  test.each([
    ['a b c', 3, ['a b', 'c']],
    ['abcdef', 2, ['ab', 'cd', 'ef']],
    ['x abcdef', 4, ['x', 'abcd', 'ef']],
    ['北京北京', 4, ['北京', '北京']],
    ['', 5, ['']],
  ])('%j at %d', (text, width, lines) => {
    expect(wrap(text, width)).toEqual(lines);
  });

  test('loses nothing but the spaces at its breaks, and keeps the width', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 20 }), (text, width) => {
        const lines = wrap(text, width);
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
        for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });
});

test('padStart pads by columns', () => {
  expect(padStart('北', 4)).toBe('  北');
});
