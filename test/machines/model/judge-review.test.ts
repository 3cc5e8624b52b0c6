/** The outcome of a whole review: whether it is posted, and how it is counted. */
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import { isSuppressed, judgementOf } from '../../../src/machines/model/judge-review.ts';
import { SUPPRESSIBLE_OUTCOMES, type SuppressibleOutcome } from '../../../src/machines/model/report-spec.ts';
import type { Verdict } from '../../../src/machines/model/verdict.ts';
import { jobReport } from '../facts.ts';

const of = (...verdicts: readonly Verdict[]): readonly JobReport[] =>
  verdicts.map((verdict) => jobReport({ verdict }));

describe('a review is not posted', () => {
  test.each<[readonly Verdict[], boolean, readonly SuppressibleOutcome[], boolean]>([
    [['ABORTED'], false, [], true],
    [['SKIPPED', 'ABORTED'], false, [], true],
    [['MERGER_FAILURE'], true, ['merge-conflict'], true],
    [['MERGER_FAILURE'], true, [], false],
    // Dependencies that cannot be met are always reported.
    [['MERGER_FAILURE'], false, SUPPRESSIBLE_OUTCOMES, false],
    [['RETRY_LIMIT', 'NODE_FAILURE', 'POST_FAILURE'], false, ['infrastructure'], true],
    [['RETRY_LIMIT', 'SUCCESS'], false, ['infrastructure'], false],
    [['RETRY_LIMIT', 'SUCCESS'], false, ['infrastructure', 'success'], true],
    [['SUCCESS', 'SKIPPED'], false, ['success'], true],
    [['TIMED_OUT'], false, ['timed-out'], true],
    [['TIMED_OUT'], false, ['infrastructure'], false],
    [['FAILURE'], false, SUPPRESSIBLE_OUTCOMES, false],
    [['FAILURE', 'RETRY_LIMIT'], false, SUPPRESSIBLE_OUTCOMES, false],
  ])('%j, conflicted %j, suppressing %j: %j', (verdicts, conflicted, suppressible, expected) => {
    expect(isSuppressed(of(...verdicts), conflicted, suppressible)).toBe(expected);
  });
});

describe('a review counts for or against this CI', () => {
  test.each<[readonly Verdict[], string]>([
    [['SUCCESS'], 'success'],
    [['SUCCESS', 'SKIPPED'], 'success'],
    [['SUCCESS', 'FAILURE'], 'failure'],
    [['TIMED_OUT'], 'failure'],
    [['RETRY_LIMIT'], 'failure'],
    [['POST_FAILURE', 'SUCCESS'], 'failure'],
    [['MERGER_FAILURE'], 'neither'],
    [['ABORTED', 'SUCCESS'], 'neither'],
    [['SKIPPED'], 'neither'],
    [[], 'neither'],
  ])('%j is %s', (verdicts, judgement) => {
    expect(judgementOf(of(...verdicts))).toBe(judgement);
  });

  test('by its voting jobs, if there are any', () => {
    const nonVoting = jobReport({ verdict: 'FAILURE', voting: false });
    expect(judgementOf([jobReport(), nonVoting])).toBe('success');
    expect(judgementOf([nonVoting])).toBe('failure');
  });
});
