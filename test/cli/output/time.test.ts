import { expect, test } from 'vitest';
import { bytes, utc } from '../../../src/cli/output/time.ts';

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
