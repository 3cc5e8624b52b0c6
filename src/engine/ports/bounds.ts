/** How long the engine waits and how much it does at once, as the configuration says: for the loop, and for what it performs. */

export interface PerformBounds {
  /** How long past its deadline an adapter may take to notice its abort signal. */
  readonly adapterGraceMs: number;
  /** Rounds of list and delete before a deletion counts as failed. */
  readonly deleteRounds: number;
}

export interface EngineBounds extends PerformBounds {
  /** Wait before a batch that could not be written is tried again. */
  readonly storeRetryMs: number;
  /** Happenings that go into one transaction at most. */
  readonly maxTransactionEvents: number;
}
