/** The configured waits and limits of the engine: for the loop, and for the effects that it performs. */

export interface PerformBounds {
  /** How long after its deadline an adapter may take to react to its abort signal. */
  readonly adapterGraceMs: number;
  /** Rounds of list and delete before a deletion counts as failed. */
  readonly deleteRounds: number;
}

export interface EngineBounds extends PerformBounds {
  /** Wait before a failed write of a batch is retried. */
  readonly storeRetryMs: number;
  /** Maximum number of events in one transaction. */
  readonly maxTransactionEvents: number;
}
