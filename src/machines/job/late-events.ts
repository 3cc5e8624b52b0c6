/**
 * Answers that arrive after the state that requested them has ended: an attempt that exceeded its deadline, a stage
 * that was stopped. They settle their effect and change nothing else; only what became of the evidence is kept.
 * `server.active` is not included: a server that appears late must be deleted, and each state handles that.
 */
import { declineHold } from './handing-over.ts';
import { type Args, assignFrom, request, update } from './machine-setup.ts';

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

/** Events that a final state still accepts. They change no state. */
export const terminalEvents = {
  ...lateAnswers,
  'server.active': noop,
  'verdict.accepted': noop,
  'job.cancelled': noop,
  'job.superseded': noop,
  'job.hold-requested': { actions: declineHold },
  'server.handed-over': noop,
  'server.offer-refused': noop,
  'machine.failed': noop,
  'machine.quarantine-failed': noop,
  'daemon.crashed': noop,
  // What cleanup could not reach is removed after the end.
  'leak.found': {
    actions: [update(({ context }) => ({ leaks: context.leaks + 1 })), request(removeLeak)],
  },
  'leak.removed': noop,
  'leak.remove-failed': noop,
} as const;

function removeLeak({ context, event }: Args) {
  if (event.type !== 'leak.found') return null;
  const { deployment, job, leaks, spec } = context;
  return {
    type: 'removeLeak',
    key: `removeLeak:${leaks}`,
    owner: { deployment, job },
    leak: event.leak,
    by: event.by,
    timeoutMs: spec.limits.cleanupTimeoutMs,
  } as const;
}
