/** Limits that have no configuration key and belong to no section. Tests pass smaller ones. */
import type { DoctorConfig } from './config.ts';

export interface ServiceLimits {
  /** Maximum number of open jobs; further starts wait. */
  readonly maxOpenJobs: number;
  /** Starvation limit: after waiting this long, a job reserves the next free slot. */
  readonly starvationTimeoutMs: number;
  /** Maximum number of Gerrit events waiting to be stored; past it the stream is not read. */
  readonly maxBufferedEvents: number;
  /** Maximum number of events in one transaction of the log. */
  readonly maxTransactionEvents: number;
  /** For a clean stop. */
  readonly shutdownTimeoutMs: number;
  /** Time between two sweeps for servers and directories that cleanup could not reach. */
  readonly sweepIntervalMs: number;
  /** For one call to a provider in a sweep. */
  readonly sweepTimeoutMs: number;
  /** Wait before an append that failed on a full disk is retried. */
  readonly storeRetryMs: number;
  /** An alarm that was not raised for this long counts as new, and is mailed again. */
  readonly alarmRepeatAfterMs: number;
  /** Maximum number of distinct alarms that are remembered; the oldest are removed first. */
  readonly maxAlarms: number;
  /** Maximum number of connected operators, and the timeout to read a request or write an answer. */
  readonly maxControlClients: number;
  readonly controlTimeoutMs: number;
  /** Time after its deadline before an adapter that has not responded counts as failed. */
  readonly adapterGraceMs: number;
  /** Maximum rounds of list and delete in one cleanup attempt. */
  readonly deleteRounds: number;
  /** For a stage: the time from SIGTERM to SIGKILL, and from SIGKILL until all processes must be gone. */
  readonly stopTermTimeoutMs: number;
  readonly stopKillTimeoutMs: number;
  /** The same for processes that remain on a server when it is deleted. */
  readonly deleteTermTimeoutMs: number;
  readonly deleteKillTimeoutMs: number;
  /** For the runner of a stage to start. */
  readonly startTimeoutMs: number;
  /** For the runner to record the end of its stage, on a full disk. */
  readonly exitRecordTimeoutMs: number;
  /** Limit on the evidence of ended jobs that waits for publication. */
  readonly maxPendingEvidenceBytes: number;
  /** Maximum size of a results file. */
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
  /** A recurring alarm is mailed at most four times a day. */
  alarmRepeatAfterMs: 6 * 3_600_000,
  maxAlarms: 1_000,
  maxControlClients: 16,
  controlTimeoutMs: 10_000,
  adapterGraceMs: 5_000,
  deleteRounds: 3,
  /** Together below a job's `stopTimeoutMs` of 30 s. */
  stopTermTimeoutMs: 10_000,
  stopKillTimeoutMs: 5_000,
  deleteTermTimeoutMs: 2_000,
  deleteKillTimeoutMs: 20_000,
  startTimeoutMs: 20_000,
  exitRecordTimeoutMs: 60_000,
  maxPendingEvidenceBytes: 10 * 1024 ** 3,
  /** A full run of Tempest, with its logs, writes 100 MB of subunit. */
  maxResultsBytes: 256 * 1024 ** 2,
};

/** Limits of catch-up queries for events that the stream lost, and of alarms about the connection. With these values
 * every query covers all events that may be missing, and duplicates are dropped. */
export const CATCH_UP = {
  /** A query begins this long before the newest event: Gerrit's index and clock may lag. */
  overlapMs: 600_000,
  /** The stream and a query report different seconds for the same comment. */
  clockToleranceMs: 5_000,
  /** How long a handled event is remembered: longer than any overlap. */
  dedupRetentionMs: 7 * 24 * 3_600_000,
  pageSize: 100,
  /** Limit on open jobs, and on open reviews, whose changes each query includes; the newest are used. */
  maxOpenReviews: 10_000,
  stream: {
    /** Time without a connection before an alarm is raised: an upgrade of Gerrit takes a few minutes. */
    downAlarmMs: 600_000,
    /** For one query with all its pages. */
    catchUpTimeoutMs: 600_000,
    catchUpRetryMs: 5_000,
    catchUpRetryMaxMs: 300_000,
    catchUpAlarmAttempts: 5,
    /**
     * Delay of a second query after the first one on a new connection, for events that Gerrit's index did not show yet.
     */
    catchUpAgainMs: 15_000,
  },
} as const;

/** Timeouts and thresholds of `sos-ci doctor`. */
export const DOCTOR: DoctorConfig = {
  /** For one check; past it, the check has failed. */
  timeoutMs: 30_000,
  /** How long Gerrit may take to refuse the stream; under load it takes seconds. */
  streamWaitMs: 5_000,
  /** On this host: the logs of a few days. */
  diskFreeBytes: 5 * 1024 ** 3,
  /** On a node: DevStack, its packages and a volume group. */
  nodeDiskFreeBytes: 10 * 1024 ** 3,
  /** Catch-up compares times of both clocks. */
  clockSkewMs: 10_000,
};
