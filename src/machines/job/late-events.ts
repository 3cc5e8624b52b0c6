/**
 * Answers that come after the state that asked for them has gone: a try that ran into its deadline, a stage that was
 * told to stop. Having settled their effect is all they do; only a URL is kept. `server.active` is not among them: a
 * server that appears late must be deleted, which each state sees to.
 */
import { assignFrom } from './machine-setup.ts';

const noop = { actions: 'noop' } as const;

export const keepPublished = assignFrom('evidence.published', (event) => ({
  evidence: 'published',
  url: event.url,
}));

export const lateAnswers = {
  'server.create-failed': noop,
  'patchset.fetched': noop,
  'patchset.fetch-failed': noop,
  'stage.started': noop,
  'stage.exited': noop,
  'stage.lost': noop,
  'stage.start-failed': noop,
  'stage.stopped': noop,
  'stage.stop-failed': noop,
  'results.read': noop,
  'results.read-failed': noop,
  'evidence.collected': noop,
  'evidence.collect-failed': noop,
  // Also from the history that publishes later.
  'evidence.published': { actions: keepPublished },
  'evidence.abandoned': { actions: assignFrom('evidence.abandoned', () => ({ evidence: 'none' })) },
  'evidence.publish-failed': noop,
  'server.deleted': noop,
  'server.delete-failed': noop,
  'evidence.discarded': noop,
  'evidence.discard-failed': noop,
  'alarm.raised': noop,
  // The review may release or refuse a job that has ended meanwhile.
  'job.ready': noop,
  'job.rejected': noop,
} as const;

/** Where a job rests nothing moves it: what may still be said to it is recorded. */
export const terminalEvents = {
  ...lateAnswers,
  'server.active': noop,
  'verdict.accepted': noop,
  'job.cancelled': noop,
  'job.superseded': noop,
  'machine.failed': noop,
  'machine.quarantine-failed': noop,
  'daemon.crashed': noop,
} as const;
