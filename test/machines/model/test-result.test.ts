/** Fingerprints of failures: equal for the same error with other ids and numbers. */
import { expect, test } from 'vitest';
import { failureFingerprint } from '../../../src/machines/model/test-result.ts';

test.each([
  [
    'tempest.lib.exceptions.TimeoutException: volume fd0d6418-48a2-4dfa-81f9-519a1ee1e445 not active within 196 s',
    'tempest.lib.exceptions.TimeoutException: volume # not active within # s',
  ],
  ['KeyError: e0e039669ca5405db388e5e6d309aafd at 0x7f3a', 'KeyError: # at #'],
  ['ConnectionRefusedError: 192.0.2.157:22\n  after 1.5 s', 'ConnectionRefusedError: #:# after # s'],
  ['MismatchError: deadbeef != facade', 'MismatchError: deadbeef != facade'],
])('of %s', (error, fingerprint) => {
  expect(failureFingerprint(error)).toBe(fingerprint);
});

test('is short, and found in time for any text', () => {
  for (const part of ['a', '1', 'a1', '0x', '1.', ' ', 'f-'])
    expect(failureFingerprint(part.repeat(50_000)).length).toBeLessThanOrEqual(120);
});
