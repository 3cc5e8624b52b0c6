/**
 * What a reviewer needs of Gerrit, by whichever road it is reached: the change as it is now, one review, our votes. The
 * road knows how to ask and what the answers mean; what is said once and when a vote is left out is the reviewer's.
 */
import type { ReviewedChange } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import type { Patchset } from '../../../machines/model/domain.ts';

/** A change as Gerrit shows it now. */
export interface ChangeSnapshot {
  readonly project: string;
  /** Number of the current patchset; null where Gerrit did not say. */
  readonly current: number | null;
  /** SHA-1 of the patchset that was asked about; null where Gerrit did not say. */
  readonly revision: string | null;
  readonly open: boolean;
  /** What our account has said on it, oldest first. */
  readonly ours: readonly { readonly message: string; readonly tag: string | null }[];
}

/** The parts of Gerrit's ReviewInput that we use. */
export interface ReviewInput {
  readonly message: string;
  readonly tag: string;
  readonly labels: Readonly<Record<string, number>>;
}

/** What an answer to a review means. Only `posted` took anything. */
export type ReviewAnswer =
  | { readonly is: 'posted' }
  /** The labels were refused, and with them the message. */
  | { readonly is: 'vote-rejected'; readonly why: string }
  /** The change is closed, which refuses labels and takes messages. */
  | { readonly is: 'closed'; readonly why: string }
  /** The change may not be there; Gerrit says the same when its database fails, and to who may not see it. */
  | { readonly is: 'perhaps-missing'; readonly error: OperationError }
  | { readonly is: 'failed'; readonly error: OperationError };

/** All reject with an UnknownOutcomeError when the answer is not known. */
export interface ReviewSession {
  /** Null when Gerrit does not show the change to us. */
  readChange(patchset: Patchset, signal: AbortSignal): Promise<ChangeSnapshot | null>;
  review(patchset: Patchset, input: ReviewInput, signal: AbortSignal): Promise<ReviewAnswer>;
  /** The change as it is now, with our vote on it; null when Gerrit does not show it to us. */
  readReviewedChange(change: Patchset, label: string, signal: AbortSignal): Promise<ReviewedChange | null>;
  /** Our votes on the patchset by label; null when Gerrit does not show it to us. */
  readVotes(patchset: Patchset, signal: AbortSignal): Promise<Readonly<Record<string, number>> | null>;
}

export interface ReviewTransport {
  /** For people. */
  readonly host: string;
  /** Runs `work` when it is its turn. What goes wrong before that is retryable, because an operator can put it right. */
  withSession<T>(signal: AbortSignal, work: (session: ReviewSession) => Promise<T>): Promise<T>;
}

export function formatPatchset(patchset: Patchset): string {
  return `${patchset.change},${patchset.patchset}`;
}

/** A mistake that an operator can put right must not lose a review: the same error, tried again. */
export function asRetryable(error: OperationError): OperationError {
  if (error.retryable) return error;
  const { operation, target, message, hint } = error;
  return new OperationError({ operation, target, message, hint, retryable: true, cause: error });
}
