/**
 * The message that the tests begin, for sites that want one. It is asked for when the jobs are released to wait for their
 * servers: the review knows that moment by itself, and nothing is announced for a patch that turns out not to be tested.
 * It is sent beside everything else, once, and whatever becomes of it the result neither waits for it nor is kept by it.
 */
import { startComment, startRun } from '../comment/start-message.ts';
import { request } from './machine-setup.ts';

/** With the release of the jobs. */
export const announceStart = request(({ context }) => {
  const { report, review, patchset, pipeline, skipped } = context;
  if (!report.startMessage || !report.enabled) return null;
  const jobs = context.jobs.filter(({ job }) => !skipped.some((other) => other.job === job));
  return {
    type: 'postStartMessage',
    key: 'postStartMessage',
    run: startRun(review),
    patchset,
    message: startComment({ review, pipeline, jobs: jobs.map(({ name }) => name) }),
    tag: report.tag,
    timeoutMs: report.postTimeoutMs,
  };
});

/** What becomes of it changes nothing. */
export const startAnswers = {
  'start-message.posted': { actions: 'noop' },
  'start-message.post-failed': { actions: 'noop' },
} as const;
