/** How events are found that the stream lost, and when the operator is warned about the connection. */

/** By default every look at Gerrit covers what may be missing, and a duplicate is dropped. */
export const CATCH_UP = {
  /** A query begins this long before the newest event: Gerrit's index and clock may lag. */
  overlapMs: 600_000,
  /** The stream and a query give different seconds for the same comment. */
  clockToleranceMs: 5_000,
  /** How long a handled event is remembered: longer than any overlap. */
  dedupRetentionMs: 7 * 24 * 3_600_000,
  pageSize: 100,
  /** Open jobs, and as many open reviews, whose changes each query includes; the newest. */
  maxOpenReviews: 10_000,
  stream: {
    /** Without a connection until an alarm is raised: an upgrade of Gerrit takes a few minutes. */
    downAlarmMs: 600_000,
    /** One query, all its pages together. */
    catchUpTimeoutMs: 600_000,
    catchUpRetryMs: 5_000,
    catchUpRetryMaxMs: 300_000,
    catchUpAlarmAttempts: 5,
    /** After the first query on a new connection: one more, for what Gerrit's index did not show yet. */
    catchUpAgainMs: 15_000,
  },
} as const;
