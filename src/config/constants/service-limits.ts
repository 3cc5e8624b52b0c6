/** Limits of the daemon as a whole. Tests pass smaller ones. */

export interface ServiceLimits {
  /** Open jobs; what would start more waits. */
  readonly queueLength: number;
  /** Starvation limit: after waiting this long, a job reserves the next free slot. */
  readonly queuePatienceMs: number;
  /** Gerrit events that wait to be stored; more hold the stream back. */
  readonly inboxEvents: number;
  /** Events in one transaction of the log. */
  readonly batch: number;
  /** For a clean stop. */
  readonly shutdownMs: number;
  /** Between two sweeps for servers and directories that cleanup could not reach. */
  readonly sweepIntervalMs: number;
  /** For one call to a provider in a sweep. */
  readonly sweepTimeoutMs: number;
  /** Before an append that found no room is tried again. */
  readonly storeRetryMs: number;
  /** An alarm that returns after this long counts as new, and is mailed again. */
  readonly alarmQuietMs: number;
  /** Different alarms that are remembered; the oldest go first. */
  readonly alarms: number;
  /** Operators connected at the same time, and the time to read a request or write an answer. */
  readonly controlClients: number;
  readonly controlTimeoutMs: number;
  /** Without a new row until the heap is collected. */
  readonly restMs: number;
  /** Past its deadline: until an adapter counts as failed without an answer. */
  readonly abortGraceMs: number;
  /** Rounds of list and delete in one attempt at cleanup. */
  readonly deleteRounds: number;
  /** For a stage: between SIGTERM and SIGKILL, and from then until all of it must be gone. */
  readonly stopGraceMs: number;
  readonly stopKillMs: number;
  /** The same for processes that are left on a server when it is deleted. */
  readonly deleteGraceMs: number;
  readonly deleteKillMs: number;
  /** For the runner of a stage to start. */
  readonly startTimeoutMs: number;
  /** For the runner to record how its stage ended, on a full disk. */
  readonly endingTimeoutMs: number;
  /** Evidence of ended jobs that waits to be published. */
  readonly pendingEvidenceBytes: number;
  /** The longest results file. */
  readonly resultsBytes: number;
}

export const SERVICE_LIMITS: Omit<ServiceLimits, 'queueLength'> = {
  queuePatienceMs: 3_600_000,
  inboxEvents: 1_000,
  /** Larger transactions are no faster. */
  batch: 256,
  /** Below the 10 s that container runtimes allow. */
  shutdownMs: 4_000,
  sweepIntervalMs: 600_000,
  sweepTimeoutMs: 300_000,
  storeRetryMs: 2_000,
  /** An alarm that comes and goes is mailed four times a day at most. */
  alarmQuietMs: 6 * 3_600_000,
  alarms: 1_000,
  controlClients: 16,
  controlTimeoutMs: 10_000,
  restMs: 5_000,
  abortGraceMs: 5_000,
  deleteRounds: 3,
  /** Together below the job's stopTimeout of 30 s. */
  stopGraceMs: 10_000,
  stopKillMs: 5_000,
  deleteGraceMs: 2_000,
  deleteKillMs: 20_000,
  startTimeoutMs: 20_000,
  endingTimeoutMs: 60_000,
  pendingEvidenceBytes: 10 * 1024 ** 3,
  resultsBytes: 64 * 1024 ** 2,
};
