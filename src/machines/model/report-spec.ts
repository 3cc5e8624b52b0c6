/**
 * How a review is told to Gerrit: what it votes, what it says and when it says nothing. From the configuration at the time
 * when it was opened, and stored with it, so that a replay tells the same.
 */

/** What a site may not want to hear of. A failed test is always told. */
export const QUIET_OUTCOMES = ['merge-conflict', 'infrastructure', 'timed-out', 'success'] as const;
export type QuietOutcome = (typeof QUIET_OUTCOMES)[number];

export interface ReportSpec {
  /** False (shadow mode): everything but the post. */
  readonly enabled: boolean;
  /** The label that is voted, or null for no vote. */
  readonly label: string | null;
  /** The votes by outcome; 0 is no vote. */
  readonly success: number;
  readonly failure: number;
  readonly timedOut: number;
  /** After failures on so many different changes in a row no vote is given until an operator resumes; 0: never stopped. */
  readonly maxConsecutiveFailures: number;
  /** Reviews of which every verdict is one of these are not posted. */
  readonly suppress: readonly QuietOutcome[];
  /** True: a message when the jobs begin to wait for their servers. */
  readonly startMessage: boolean;
  /** The CI's page: how to rerun and whom to ask; '' for none. */
  readonly helpUrl: string;
  readonly tag: string;
  /** The comment in the site's own words, with placeholders; null: the built-in one. */
  readonly template: string | null;
  /** Bytes of a message at most. */
  readonly messageLimitBytes: number;
  /** The review is posted without the missing jobs after this. */
  readonly jobTimeoutMs: number;
  /** For evidence that could not be published yet; then the review is posted without it. */
  readonly evidenceWaitMs: number;
  readonly postTimeoutMs: number;
  readonly postAttempts: number;
  readonly postRetryMs: number;
  readonly postRetryMaxMs: number;
  /** Reading a vote back is tried this often; then the operator is told that nobody knows. */
  readonly confirmAttempts: number;
}
