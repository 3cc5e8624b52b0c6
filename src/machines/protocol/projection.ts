/** The views of a history: the rows that people query, computed from the state after a row. */
import type { Verdict } from '../model/verdict.ts';

/** `other`: a history that has only a state and no other view. */
export type Projection =
  | ({ readonly kind: 'job' } & JobView)
  | ({ readonly kind: 'review' } & ReviewView)
  | { readonly kind: 'other' };

/** The view of a job. One row for each job. */
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
  /** The change's owner; '' where Gerrit sent none. */
  readonly owner: string;
  readonly provider: string;
  /** Dotted: `testing.running`. */
  readonly state: string;
  readonly ended: boolean;
  /** Waits for its slot. */
  readonly queued: boolean;
  /** In cleanup; its verdict is final. */
  readonly cleaningUp: boolean;
  /** Ended by internal errors. */
  readonly parked: boolean;
  readonly attempt: number;
  readonly verdict: Verdict | null;
  readonly reason: string;
  readonly url: string | null;
  readonly acceptedAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
}

/** The view of a review. */
export interface ReviewView {
  readonly id: string;
  readonly pipeline: string;
  readonly project: string;
  readonly branch: string;
  readonly change: number;
  readonly patchset: number;
  readonly state: string;
  readonly ended: boolean;
  /** Its jobs are being prepared or run, and their verdicts are expected. */
  readonly jobsPending: boolean;
  /** posted, shadow, withdrawn, post-failed ...; null while open. */
  readonly outcome: string | null;
  readonly openedAt: number;
  readonly updatedAt: number;
}
