/**
 * Answers that arrive after the state that requested them has ended: an attempt that ran into its deadline, a stage
 * that was stopped. They settle their effect and change nothing else; only a URL is kept. `server.active` is not
 * included: a server that appears late must be deleted, and each state handles that.
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
  // Also sent by the history that publishes later.
  'evidence.published': { actions: keepPublished },
  'evidence.abandoned': { actions: assignFrom('evidence.abandoned', () => ({ evidence: 'none' })) },
  'evidence.publish-failed': noop,
  'server.deleted': noop,
  'server.delete-failed': noop,
  'evidence.discarded': noop,
  'evidence.discard-failed': noop,
  'alarm.raised': noop,
  // The review may release or refuse a job that has already ended.
  'job.ready': noop,
  'job.rejected': noop,
} as const;

/** Events that a final state still accepts. They are recorded and change no state. */
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
