/** Limits of the daemon as a whole. Tests pass smaller ones. */

export interface ServiceLimits {
  /** Open jobs; what would start more waits. */
  readonly maxOpenJobs: number;
  /** Starvation limit: after waiting this long, a job reserves the next free slot. */
  readonly starvationTimeoutMs: number;
  /** Gerrit events that wait to be stored; more hold the stream back. */
  readonly maxBufferedEvents: number;
  /** Events in one transaction of the log. */
  readonly maxTransactionEvents: number;
  /** For a clean stop. */
  readonly shutdownTimeoutMs: number;
  /** Between two sweeps for servers and directories that cleanup could not reach. */
  readonly sweepIntervalMs: number;
  /** For one call to a provider in a sweep. */
  readonly sweepTimeoutMs: number;
  /** Before an append that found no room is tried again. */
  readonly storeRetryMs: number;
  /** An alarm that returns after this long counts as new, and is mailed again. */
  readonly alarmRepeatAfterMs: number;
  /** Different alarms that are remembered; the oldest go first. */
  readonly maxAlarms: number;
  /** Operators connected at the same time, and the time to read a request or write an answer. */
  readonly maxControlClients: number;
  readonly controlTimeoutMs: number;
  /** Without a new row until the heap is collected. */
  readonly restMs: number;
  /** Past its deadline: until an adapter counts as failed without an answer. */
  readonly adapterGraceMs: number;
  /** Rounds of list and delete in one attempt at cleanup. */
  readonly deleteRounds: number;
  /** For a stage: between SIGTERM and SIGKILL, and from then until all of it must be gone. */
  readonly stopTermTimeoutMs: number;
  readonly stopKillTimeoutMs: number;
  /** The same for processes that are left on a server when it is deleted. */
  readonly deleteTermTimeoutMs: number;
  readonly deleteKillTimeoutMs: number;
  /** For the runner of a stage to start. */
  readonly startTimeoutMs: number;
  /** For the runner to record how its stage ended, on a full disk. */
  readonly exitRecordTimeoutMs: number;
  /** Evidence of ended jobs that waits to be published. */
  readonly maxPendingEvidenceBytes: number;
  /** The longest results file. */
  readonly maxResultsBytes: number;
}

export const SERVICE_LIMITS: Omit<ServiceLimits, 'maxOpenJobs'> = {
  starvationTimeoutMs: 3_600_000,
  maxBufferedEvents: 1_000,
  /** Larger transactions are no faster. */
  maxTransactionEvents: 256,
  /** Below the 10 s that container runtimes allow. */
  shutdownTimeoutMs: 4_000,
  sweepIntervalMs: 600_000,
  sweepTimeoutMs: 300_000,
  storeRetryMs: 2_000,
  /** An alarm that comes and goes is mailed four times a day at most. */
  alarmRepeatAfterMs: 6 * 3_600_000,
  maxAlarms: 1_000,
  maxControlClients: 16,
  controlTimeoutMs: 10_000,
  restMs: 5_000,
  adapterGraceMs: 5_000,
  deleteRounds: 3,
  /** Together below the job's stopTimeout of 30 s. */
  stopTermTimeoutMs: 10_000,
  stopKillTimeoutMs: 5_000,
  deleteTermTimeoutMs: 2_000,
  deleteKillTimeoutMs: 20_000,
  startTimeoutMs: 20_000,
  exitRecordTimeoutMs: 60_000,
  maxPendingEvidenceBytes: 10 * 1024 ** 3,
  maxResultsBytes: 64 * 1024 ** 2,
};
