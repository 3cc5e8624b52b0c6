import { expect, test } from 'vitest';
import { bytes, limit, span, utc } from '../../../src/cli/output/time.ts';

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
])('span of %d ms is %s', (ms, text) => {
  expect(span(ms)).toBe(text);
});

test.each([
  [250, '250ms'],
  [30_000, '30s'],
  [5_400_000, '1h 30m'],
  [86_400_000, '1d'],
])('limit of %d ms is %s', (ms, text) => {
  expect(limit(ms)).toBe(text);
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KB'],
  [15_000_000, '14.3 MB'],
  [1024 ** 5, '1024.0 TB'],
])('%d bytes are %s', (count, text) => {
  expect(bytes(count)).toBe(text);
});

test('times are UTC', () => {
  expect(utc(Date.parse('2026-11-22T18:09:35+01:00'))).toBe('2026-11-22 17:09:35 UTC');
});
