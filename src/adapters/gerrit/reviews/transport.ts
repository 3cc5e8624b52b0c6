/**
 * What a reviewer needs from Gerrit over either transport: the current change, posting a review, our votes. The
 * transport knows the requests and the meaning of answers; the reviewer decides on duplicates and votes.
 */
import type { ReviewedChange } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import type { Patchset } from '../../../machines/model/domain.ts';

/** A change as Gerrit shows it now. */
export interface ChangeSnapshot {
  readonly project: string;
  /** Number of the current patchset; null when Gerrit does not return it. */
  readonly current: number | null;
  /** SHA-1 of the requested patchset; null when Gerrit does not return it. */
  readonly revision: string | null;
  readonly open: boolean;
  /** Our messages on the change, oldest first. */
  readonly ours: readonly { readonly message: string; readonly tag: string | null }[];
}

/** The parts of Gerrit's ReviewInput that we use. */
export interface ReviewInput {
  readonly message: string;
  readonly tag: string;
  readonly labels: Readonly<Record<string, number>>;
}

/** The meaning of an answer to a review. Only `posted` stored anything. */
export type ReviewAnswer =
  | { readonly is: 'posted' }
  /** Gerrit refused the labels, and the message with them. */
  | { readonly is: 'vote-rejected'; readonly why: string }
  /** The change is closed: labels are refused, messages accepted. */
  | { readonly is: 'closed'; readonly why: string }
  /** The change may be missing. Gerrit gives the same answer when its database fails or access is denied. */
  | { readonly is: 'perhaps-missing'; readonly error: OperationError }
  | { readonly is: 'failed'; readonly error: OperationError };

/** All methods reject with an UnknownOutcomeError when the outcome is unknown. */
export interface ReviewSession {
  /** Null when Gerrit does not show the change to us. */
  readChange(patchset: Patchset, signal: AbortSignal): Promise<ChangeSnapshot | null>;
  review(patchset: Patchset, input: ReviewInput, signal: AbortSignal): Promise<ReviewAnswer>;
  /** The current change with our vote; null when Gerrit does not show it to us. */
  readReviewedChange(change: Patchset, label: string, signal: AbortSignal): Promise<ReviewedChange | null>;
  /** Our votes on the patchset by label; null when Gerrit does not show it to us. */
  readVotes(patchset: Patchset, signal: AbortSignal): Promise<Readonly<Record<string, number>> | null>;
}

export interface ReviewTransport {
  /** For display. */
  readonly host: string;
  /** Runs `work` when a slot is free. Failures before that are retryable, because an operator can fix them. */
  withSession<T>(signal: AbortSignal, work: (session: ReviewSession) => Promise<T>): Promise<T>;
}

export function formatPatchset(patchset: Patchset): string {
  return `${patchset.change},${patchset.patchset}`;
}

/** The same error as retryable: a mistake that an operator can fix must not lose a review. */
export function asRetryable(error: OperationError): OperationError {
  if (error.retryable) return error;
  const { operation, target, message, hint } = error;
  return new OperationError({ operation, target, message, hint, retryable: true, cause: error });
}
