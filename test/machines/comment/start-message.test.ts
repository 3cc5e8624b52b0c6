/** The start message is not read as a result, starts no CI, and does not match the search for the result. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { byteLength } from '../../../src/machines/comment/byte-length.ts';
import { asPosted, looksLikeResult } from '../../../src/machines/comment/check-parsers.ts';
import { readCiwatch } from '../../../src/machines/comment/parsers/ciwatch.ts';
import { holdsCommand } from '../../../src/machines/comment/sanitize.ts';
import { startComment, startRun } from '../../../src/machines/comment/start-message.ts';
import { runs } from '../../fixtures/effort.ts';
import { hostileText } from './hostile.ts';

test('no parser reads it as a result, for any names of jobs', () => {
  fc.assert(
    fc.property(fc.array(hostileText, { minLength: 1, maxLength: 20 }), hostileText, (jobs, pipeline) => {
      const text = startComment({ review: 'r01kfa7xw2m6v', pipeline, jobs });
      expect(looksLikeResult(text)).toBe(false);
      expect(holdsCommand(text)).toBe(false);
      expect(byteLength(text)).toBeLessThan(2_000);
      // The scoreboard neither fails on it nor lists it under another pipeline.
      expect(readCiwatch(asPosted(text))).toEqual({ status: null, pipeline: null, jobs: [] });
    }),
    { seed: 20261122, numRuns: runs(1_000) },
  );
});

test('the search for the result does not find it, and its search does not find the result', () => {
  const review = 'r01kfa7xw2m6v8q1s2t3';
  expect(startComment({ review, pipeline: 'check', jobs: ['acme-dsvm'] })).not.toContain(review);
  expect(`sos-ci review ${review}`).not.toContain(startRun(review));
});
