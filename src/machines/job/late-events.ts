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
  'server.failed': noted,
  'patchset.fetched': noted,
  'patchset.unfetched': noted,
  'stage.started': noted,
  'stage.exited': noted,
  'stage.lost': noted,
  'stage.failed': noted,
  'stage.stopped': noted,
  'stage.unstopped': noted,
  'results.read': noted,
  'results.unreadable': noted,
  'evidence.collected': noted,
  'evidence.uncollected': noted,
  // Also from the history that publishes later.
  'evidence.published': { actions: keepPublished },
  'evidence.abandoned': { actions: keep('evidence.abandoned', () => ({ evidence: 'none' })) },
  'evidence.unpublished': noted,
  'server.deleted': noted,
  'server.undeleted': noted,
  'evidence.discarded': noted,
  'evidence.discard-failed': noted,
  'alarm.raised': noted,
  // The review may release or refuse a job that has ended meanwhile.
  'job.released': noted,
  'job.refused': noted,
} as const;

/** Where a job rests nothing moves it: what may still be said to it is noted. */
export const saidAtTheEnd = {
  ...lateAnswers,
  'server.active': noted,
  'verdict.taken': noted,
  'job.cancelled': noted,
  'job.superseded': noted,
  'machine.failed': noted,
  'machine.broken': noted,
  'daemon.crashed': noted,
} as const;
