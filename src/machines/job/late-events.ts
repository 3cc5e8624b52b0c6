/**
 * Answers that come after the state that asked for them has gone: a try that ran into its deadline, a stage that was
 * told to stop. Having settled their effect is all they do; only a URL is kept. `server.active` is not among them: a
 * server that appears late must be deleted, which each state sees to.
 */
import { keep } from './machine-setup.ts';

const noted = { actions: 'noted' } as const;

export const keepPublished = keep('evidence.published', (event) => ({
  evidence: 'published',
  url: event.url,
}));

export const lateAnswers = {
  'server.create-failed': noted,
  'patchset.fetched': noted,
  'patchset.fetch-failed': noted,
  'stage.started': noted,
  'stage.exited': noted,
  'stage.lost': noted,
  'stage.start-failed': noted,
  'stage.stopped': noted,
  'stage.stop-failed': noted,
  'results.read': noted,
  'results.read-failed': noted,
  'evidence.collected': noted,
  'evidence.collect-failed': noted,
  // Also from the history that publishes later.
  'evidence.published': { actions: keepPublished },
  'evidence.abandoned': { actions: keep('evidence.abandoned', () => ({ evidence: 'none' })) },
  'evidence.publish-failed': noted,
  'server.deleted': noted,
  'server.delete-failed': noted,
  'evidence.discarded': noted,
  'evidence.discard-failed': noted,
  'alarm.raised': noted,
  // The review may release or refuse a job that has ended meanwhile.
  'job.ready': noted,
  'job.rejected': noted,
} as const;

/** Where a job rests nothing moves it: what may still be said to it is noted. */
export const terminalEvents = {
  ...lateAnswers,
  'server.active': noted,
  'verdict.accepted': noted,
  'job.cancelled': noted,
  'job.superseded': noted,
  'machine.failed': noted,
  'machine.quarantine-failed': noted,
  'daemon.crashed': noted,
} as const;
