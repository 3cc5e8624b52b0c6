/** How events that the stream lost are found, and when the operator is warned about the connection. */

/** By default every catch-up query covers everything that may be missing, and duplicates are dropped. */
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
