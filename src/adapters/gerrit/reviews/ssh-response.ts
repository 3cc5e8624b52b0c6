/**
 * Interprets Gerrit's answer to a review over SSH. Gerrit's SSH commands exit with status 1 for every error and
 * describe it in English, so this file matches its sentences (as of 3.9 and 3.12). An unknown sentence counts as
 * temporary, so the review is retried rather than lost.
 */
import { OperationError } from '../../../errors.ts';
import { oneLine } from '../json-schemas.ts';
import type { ReviewAnswer } from './transport.ts';

const VOTE_REFUSED = [
  /Applying label .{1,200} is restricted/,
  /is not a configured label/,
  /is not a valid value/,
];
/** An abandoned change accepts no votes, a merged one no lower votes. Both accept messages. */
const CLOSED = [/^error: change is closed$/m, /Cannot reduce vote on labels for closed change/];
const PROJECT_MISSING = /^fatal: project .{1,600} not found$/m;
/** The change was deleted or became private. */
const PERHAPS_MISSING = [/^fatal: database error$/m, /^error: Not found: (?:.{1,600}~)?[0-9]{1,10}$/m];
const MISSING = [/^fatal: "[^"]{1,60}" no such (?:patch set|change)$/m, PROJECT_MISSING];
const TOO_LONG = /Comment size exceeds limit/;
const FORBIDDEN = /not permitted|denied|prohibited/i;

export function parseReviewResponse(
  status: number,
  stderr: string,
  target: string,
  voted: boolean,
): ReviewAnswer {
  if (status === 0) return { is: 'posted' };
  const why = oneLine(stderr, 500).trim() || `exit status ${status}`;
  const failed = (retryable: boolean, hint: string): OperationError =>
    new OperationError({
      operation: 'post review',
      target,
      message: `review of ${target}: ${why}`,
      retryable,
      hint,
    });
  const matches = (sentences: readonly RegExp[]) => sentences.some((sentence) => sentence.test(stderr));
  if (voted && matches(CLOSED)) return { is: 'closed', why: 'the change is closed' };
  if (voted && matches(VOTE_REFUSED)) return { is: 'vote-rejected', why };
  if (TOO_LONG.test(stderr)) {
    return {
      is: 'failed',
      error: failed(false, 'this Gerrit has a lower limit for comments than the default 16,384 characters'),
    };
  }
  const gone = failed(false, 'project, change or patchset is gone, or this account may not read it');
  if (matches(MISSING)) return { is: 'failed', error: gone };
  if (matches(PERHAPS_MISSING)) return { is: 'perhaps-missing', error: gone };
  if (FORBIDDEN.test(stderr)) {
    return { is: 'failed', error: failed(true, 'check what this account may do on that project') };
  }
  return { is: 'failed', error: failed(true, "check Gerrit's log; sos-ci retries automatically") };
}
