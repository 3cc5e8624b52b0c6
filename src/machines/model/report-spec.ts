/**
 * How a review is reported to Gerrit: its votes, its text, and which results it suppresses. From the configuration at
 * the time when the review was opened, and stored with it, so that a replay gives the same result.
 */

/** Results that a site may suppress. A failed test is always reported. */
export const SUPPRESSIBLE_OUTCOMES = ['merge-conflict', 'infrastructure', 'timed-out', 'success'] as const;
export type SuppressibleOutcome = (typeof SUPPRESSIBLE_OUTCOMES)[number];

export interface ReportSpec {
  /** False (shadow mode): everything runs but the post. */
  readonly enabled: boolean;
  /** The label to vote with, or null for no vote. */
  readonly label: string | null;
  /** The votes by outcome; 0 means no vote. */
  readonly success: number;
  readonly failure: number;
  readonly timedOut: number;
  /** Voting stops after failures on this many different changes in a row, until an operator resumes it; 0: never. */
  readonly maxConsecutiveFailures: number;
  /** A review is not posted if all its verdicts are among these. */
  readonly suppress: readonly SuppressibleOutcome[];
  /** True: post a message when the jobs begin to wait for their servers. */
  readonly startMessage: boolean;
  /** The CI's page about rechecks and contacts; '' for none. */
  readonly helpUrl: string;
  readonly tag: string;
  /** The site's own comment template with placeholders; null: the built-in comment. */
  readonly template: string | null;
  /** Maximum size of a message in bytes. */
  readonly messageLimitBytes: number;
  /** After this time the review is posted without the missing jobs. */
  readonly jobTimeoutMs: number;
  /** How long the review waits for pending evidence; then it is posted without it. */
  readonly evidenceWaitMs: number;
  readonly postTimeoutMs: number;
  readonly postAttempts: number;
  readonly postRetryMs: number;
  readonly postRetryMaxMs: number;
  /** Attempts at reading a vote back; then an alarm reports that the vote is unconfirmed. */
  readonly confirmAttempts: number;
}
