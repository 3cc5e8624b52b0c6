/**
 * The optional message that announces the start of the tests. It is requested when the jobs are released to wait for
 * their servers, so nothing is announced for a patch that is not tested. It is sent once, in parallel with everything
 * else; the result does not depend on it.
 */
import { startComment, startRun } from '../comment/start-message.ts';
import { request } from './machine-setup.ts';

/** Requested with the release of the jobs. */
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

/** The answers change nothing. */
export const startAnswers = {
  'start-message.posted': { actions: 'noop' },
  'start-message.post-failed': { actions: 'noop' },
} as const;
