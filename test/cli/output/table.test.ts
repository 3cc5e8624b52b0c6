import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { columnOf, cut, padStart, printTable, textWidth, wrap } from '../../../src/cli/output/table.ts';
import { fakeIo } from '../../fakes/io.ts';

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

  test('cut returns at most this width for any text', () => {
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

  test('loses only the spaces at its breaks, and keeps to the width', () => {
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

test.each([
  ['abc', 'abc  '],
  ['abcd', 'abcd '],
  ['abcdef', 'abcdef '],
])('a column of 5 with %j ends with a space', (text, column) => {
  expect(columnOf(text, 5)).toBe(column);
});

describe('a table', () => {
  const row = ['01kfa8yq7p1z', 'acme-dsvm-iscsi-multipath', '2026-11-22 17:00', 'a subject that is long'];
  const columns = ['ID', 'JOB', 'ACCEPTED', 'SUBJECT'].map((title, index) => ({
    title,
    text: (cells: readonly string[]) => cells[index] ?? '',
    ...(title === 'ACCEPTED' ? { dropOrder: 1 } : {}),
  }));
  const printed = (width: number): string => {
    const io = fakeIo({ width });
    printTable(io, columns, [row]);
    return io.stdout();
  };

  test.each([
    [
      'shortens its last column first',
      70,
      'ID            JOB                        ACCEPTED          SUBJECT\n01kfa8yq7p1z  acme-dsvm-iscsi-multipath  2026-11-22 17:00  a subject …\n',
    ],
    [
      'then drops columns in their order',
      60,
      'ID            JOB                        SUBJECT\n01kfa8yq7p1z  acme-dsvm-iscsi-multipath  a subject that is …\n',
    ],
    [
      'then cuts the widest column',
      40,
      'ID            JOB               SUBJECT\n01kfa8yq7p1z  acme-dsvm-iscsi…  a subje…\n',
    ],
  ])('%s', (_how, width, text) => {
    expect(printed(width)).toBe(text);
  });

  test('fits every terminal', () => {
    for (let width = 20; width < 120; width += 1)
      for (const line of printed(width).split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(width);
  });
});
