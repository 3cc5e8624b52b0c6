/**
 * The result of a review as a whole: whether it is worth a comment, and whether it counts for or against this CI. A
 * patch that cannot be merged, or that was not tested at all, does neither.
 */

import type { JobReport } from './domain.ts';
import type { SuppressibleOutcome } from './report-spec.ts';
import type { Verdict } from './verdict.ts';

/** For the count of failures in a row. */
export type Judgement = 'success' | 'failure' | 'neither';

/** Verdicts that need no comment. */
const NO_COMMENT: readonly Verdict[] = ['ABORTED', 'SKIPPED'];

/** True when at least one verdict is worth a comment. */
export function hasResult(reports: readonly Pick<JobReport, 'verdict'>[]): boolean {
  return reports.some(({ verdict }) => !NO_COMMENT.includes(verdict));
}

/** True when the configuration suppresses every verdict. */
export function isSuppressed(
  reports: readonly JobReport[],
  conflicted: boolean,
  suppress: readonly SuppressibleOutcome[],
): boolean {
  return reports.every(({ verdict }) => {
    const kind = outcomeOf(verdict, conflicted);
    return kind === 'nothing' || (kind !== 'result' && suppress.includes(kind));
  });
}

/** Jobs that do not vote count only if no voting job has reported. */
export function judgementOf(reports: readonly JobReport[]): Judgement {
  const reported = reports.filter(({ verdict }) => verdict !== 'SKIPPED');
  const voting = reported.filter((report) => report.voting);
  const counted = voting.length > 0 ? voting : reported;
  const verdicts = new Set(counted.map(({ verdict }) => verdict));
  if (verdicts.size === 0 || verdicts.has('MERGER_FAILURE') || verdicts.has('ABORTED')) return 'neither';
  return verdicts.size === 1 && verdicts.has('SUCCESS') ? 'success' : 'failure';
}

function outcomeOf(verdict: Verdict, conflicted: boolean): SuppressibleOutcome | 'nothing' | 'result' {
  if (NO_COMMENT.includes(verdict)) return 'nothing';
  switch (verdict) {
    case 'SUCCESS':
      return 'success';
    case 'TIMED_OUT':
      return 'timed-out';
    case 'MERGER_FAILURE':
      return conflicted ? 'merge-conflict' : 'result';
    case 'NODE_FAILURE':
    case 'RETRY_LIMIT':
    case 'POST_FAILURE':
      return 'infrastructure';
    default:
      return 'result';
  }
}
