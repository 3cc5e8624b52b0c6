import { expect, test } from 'vitest';
import { formatDuration, formatLimit } from '../../../src/machines/model/duration.ts';

test.each([
  [-5, '0ms'],
  [340, '340ms'],
  [999.6, '1.0s'],
  [12_340, '12.3s'],
  [59_949, '59.9s'],
  [59_951, '1m 00s'],
  [3_599_600, '1h 00m 00s'],
  [3_723_000, '1h 02m 03s'],
  [100 * 3_600_000, '4d 04h'],
])('a measured duration of %d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [250, '250ms'],
  [30_000, '30s'],
  [5_400_000, '1h 30m'],
  [86_400_000, '1d'],
])('a limit of %d ms is %s', (ms, text) => {
  expect(formatLimit(ms)).toBe(text);
});
