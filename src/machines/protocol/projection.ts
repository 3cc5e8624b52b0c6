/** What people ask of a history: the rows of the views, read from the state that a row led to. */
import type { Verdict } from '../model/verdict.ts';

/** `other`: a history of which people ask nothing but its state. */
export type Projection =
  | ({ readonly kind: 'job' } & JobView)
  | ({ readonly kind: 'review' } & ReviewView)
  | { readonly kind: 'other' };

/** What people ask of a job. One row for each job. */
export interface JobView {
  readonly id: string;
  readonly review: string;
  readonly name: string;
  readonly pipeline: string;
  readonly project: string;
  readonly branch: string;
  readonly change: number;
  readonly patchset: number;
  readonly subject: string;
  readonly provider: string;
  /** Dotted: `testing.running`. */
  readonly state: string;
  readonly ended: boolean;
  /** It waits for its slot. */
  readonly queued: boolean;
  /** It removes what it has: its verdict stands. */
  readonly cleaningUp: boolean;
  /** It ended by internal errors. */
  readonly parked: boolean;
  readonly attempt: number;
  readonly verdict: Verdict | null;
  readonly reason: string;
  readonly url: string | null;
  readonly acceptedAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
}

/** What people ask of a review. */
export interface ReviewView {
  readonly id: string;
  readonly pipeline: string;
  readonly project: string;
  readonly branch: string;
  readonly change: number;
  readonly patchset: number;
  readonly state: string;
  readonly ended: boolean;
  /** Jobs are prepared or run, and their verdicts are expected. */
  readonly jobsPending: boolean;
  /** posted, shadow, withdrawn, post-failed ...; null while open. */
  readonly outcome: string | null;
  readonly openedAt: number;
  readonly updatedAt: number;
}
