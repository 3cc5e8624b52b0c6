/**
 * What Gerrit's answer to a review means. Gerrit's SSH commands end with status 1 for everything and say the rest in
 * English, so this one file has to know its sentences (seen on 3.9 and 3.12). What is not known counts as
 * passing: a review is tried again rather than lost.
 */
import { OperationError } from '../../errors.ts';
import { oneLine } from './shapes.ts';

export type Answer =
  | { readonly is: 'posted' }
  /** The labels were refused, and with them the message. */
  | { readonly is: 'vote-refused'; readonly why: string }
  /** The change may not be there; Gerrit says the same when its database fails. */
  | { readonly is: 'perhaps-missing'; readonly error: OperationError }
  | { readonly is: 'failed'; readonly error: OperationError };

const VOTE_REFUSED = [
  /Applying label .{1,200} is restricted/,
  /Cannot reduce vote on labels for closed change/,
  /is not a configured label/,
  /is not a valid value/,
];
const PROJECT_MISSING = /^fatal: project .{1,600} not found$/m;
const PERHAPS_MISSING = /^fatal: database error$/m;
const MISSING = [/^fatal: "[^"]{1,60}" no such patch set$/m, PROJECT_MISSING];
const TOO_LONG = /Comment size exceeds limit/;
const FORBIDDEN = /not permitted|denied|prohibited/i;

export function readAnswer(status: number, stderr: string, target: string, voted: boolean): Answer {
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
  if (voted && VOTE_REFUSED.some((sentence) => sentence.test(stderr))) return { is: 'vote-refused', why };
  if (TOO_LONG.test(stderr)) {
    return {
      is: 'failed',
      error: failed(false, 'this Gerrit takes shorter comments than the default 16,384 bytes'),
    };
  }
  const gone = failed(false, 'project, change or patchset is gone, or this account may not read it');
  if (MISSING.some((sentence) => sentence.test(stderr))) return { is: 'failed', error: gone };
  if (PERHAPS_MISSING.test(stderr)) return { is: 'perhaps-missing', error: gone };
  if (FORBIDDEN.test(stderr)) {
    return { is: 'failed', error: failed(true, 'check what this account may do on that project') };
  }
  return { is: 'failed', error: failed(true, "look into Gerrit's log; it is tried again by itself") };
}
