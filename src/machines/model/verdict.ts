/** The result of a job. The names are Zuul's, which readers of CI comments know. */
export const VERDICTS = [
  'SUCCESS',
  'FAILURE',
  'TIMED_OUT',
  'NODE_FAILURE',
  'POST_FAILURE',
  'RETRY_LIMIT',
  /** The patch cannot be merged with its branch or its dependencies; nothing was booted. */
  'MERGER_FAILURE',
  /** The job does not apply to the files of the patch. */
  'SKIPPED',
  'ABORTED',
] as const;
export type Verdict = (typeof VERDICTS)[number];
