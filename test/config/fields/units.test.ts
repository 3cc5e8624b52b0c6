import { expect, test } from 'vitest';
import { parseDuration, parseSize } from '../../../src/config/fields/units.ts';

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['1h30m', 5_400_000],
  ['2d', 172_800_000],
  ['0s', 0],
  ['30', null],
  ['m', null],
  ['1.5h', null],
  ['-1s', null],
  ['30m1h', null],
  ['1s1s', null],
  ['1 h', null],
  ['', null],
])('the duration %j', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  ['64KB', 65_536],
  ['8MB', 8_388_608],
  ['1GB', 1_073_741_824],
  ['7B', 7],
  ['8', null],
  ['8mb', null],
  ['8 MB', null],
])('the size %j', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});
