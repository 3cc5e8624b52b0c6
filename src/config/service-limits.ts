/** Bounds of the daemon as a whole: no job and no provider sets them for itself. */

export interface ServiceLimits {
  /** Jobs that may be open at once; what would start more waits. */
  readonly queueLength: number;
  /** After this a job that waits keeps places for itself. */
  readonly queuePatienceMs: number;
  /** Gerrit events that may wait to be stored before the stream is held back. */
  readonly inboxEvents: number;
  /** Happenings that go into one transaction of the log at most. */
  readonly batch: number;
  /** How long a stop may take. */
  readonly shutdownMs: number;
  /** Between two rounds that look for servers which cleanup could not reach. */
  readonly sweepIntervalMs: number;
  /** For one call to a provider in such a round. */
  readonly sweepTimeoutMs: number;
  /** Before an append is tried again for which there was no room. */
  readonly storeRetryMs: number;
  /** Without the same alarm until its next one counts as new. */
  readonly alarmQuietMs: number;
  /** Different alarms that are remembered. */
  readonly alarms: number;
  /** Operators who ask at the same time; and the time for one to ask, and again to take the answer. */
  readonly controlClients: number;
  readonly controlTimeoutMs: number;
  /** Without a new row until the heap is given back. */
  readonly restMs: number;
  /** How long past its deadline an adapter may take to notice that its time is over. */
  readonly abortGraceMs: number;
  /** Rounds of list and delete before a deletion counts as failed. */
  readonly deleteRounds: number;
  /** For a stage: between SIGTERM and SIGKILL, and from then on until all of it must be gone. */
  readonly stopGraceMs: number;
  readonly stopKillMs: number;
  /** The same for what is left on a server that is deleted. */
  readonly deleteGraceMs: number;
  readonly deleteKillMs: number;
  /** How long the runner of a stage may take to stand. */
  readonly startTimeoutMs: number;
  /** How long it tries to write down how the stage ended, where there is no room. */
  readonly endingTimeoutMs: number;
  /** Evidence of ended jobs that waits to be published. */
  readonly pendingEvidenceBytes: number;
  /** The longest results file. */
  readonly resultsBytes: number;
}
