/** What a job came to. The words are Zuul's, so that every reader of CI comments knows them. */
export const VERDICTS = [
  'SUCCESS',
  'FAILURE',
  'TIMED_OUT',
  'NODE_FAILURE',
  'POST_FAILURE',
  'RETRY_LIMIT',
  /** The patch cannot be merged with its branch or with what it depends on; nothing was booted. */
  'MERGER_FAILURE',
  /** The job has nothing to do with what the patch touches. */
  'SKIPPED',
  'ABORTED',
] as const;
export type Verdict = (typeof VERDICTS)[number];
