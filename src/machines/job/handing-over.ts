/**
 * Handing over: in its cleanup a job offers its server to the holds that want it, instead of deleting it. The answer
 * arrives in the same transaction. Nothing of the job runs on the server by then, and no server of it may still appear.
 */
import type { Effect } from '../protocol/effects.ts';
import {
  type Args,
  assignFrom,
  deadline,
  type HoldRequest,
  type JobContext,
  jobSetup,
  otherHolds,
  ownerOf,
  request,
  update,
  wantedHold,
} from './machine-setup.ts';

/** The newest requests are kept; each was made by an operator, for this job or for its change. */
const MAX_HOLDS = 4;

const answerDeadline = deadline(
  ({ clearings, holds }) => `deadline:handingOver:${clearings}:${holds.length}`,
  (context) => context.spec.limits.cleanupTimeoutMs,
);

/** Remembers the request until the job's cleanup. */
export const keepHold = assignFrom('job.hold-requested', ({ hold, always }, { holds }) => ({
  holds: [{ hold, always }, ...holds].slice(0, MAX_HOLDS),
}));

/** Answers a request that comes when the server is being deleted, or is gone. */
export const declineHold = request(({ context, event }) =>
  event.type === 'job.hold-requested'
    ? declined(context.job, event.hold, 'the job has no server any more')
    : null,
);

/** Notifies the holds that get no server. */
export const declineHolds = [
  request(({ context }) =>
    context.holds.map(({ hold }) => declined(context.job, hold, whyDeclined(context))),
  ),
  update(() => ({ holds: [] })),
] as const;

/** Forgets the hold that has answered. */
const forget = update(({ context }) => ({ holds: otherHolds(context) }));

export const handingOver = jobSetup.createStateConfig({
  entry: [request(offer), answerDeadline.arm],
  exit: answerDeadline.disarm,
  on: {
    'server.handed-over': {
      target: '#job.cleanup.discarding',
      actions: [forget, update(() => ({ server: null, handedOver: true })), ...declineHolds],
    },
    'server.offer-refused': [
      { guard: 'anotherHoldWants', target: '#job.cleanup.handingOver', reenter: true, actions: forget },
      { target: '#job.cleanup.deleting', actions: forget },
    ],
    'job.hold-requested': { actions: declineHold },
    // The hold had an internal error. It removes the server too, in case it had accepted it.
    'timer.fired': { target: '#job.cleanup.deleting' },
  },
});

function offer({ context }: Args): Effect {
  const { job, spec, patchset, verdict, server } = context;
  const { cleanupTimeoutMs, cleanupAttempts, cleanupRetryMs } = spec.limits;
  if (server === null) throw new Error('the job has no server to offer');
  return {
    type: 'sendEvent',
    to: wanted(context).hold,
    event: {
      type: 'server.offered',
      job,
      name: spec.name,
      project: patchset.project,
      change: patchset.change,
      patchset: patchset.patchset,
      verdict: verdict ?? 'ABORTED',
      server,
      owner: ownerOf(context),
      limits: { cleanupTimeoutMs, cleanupAttempts, cleanupRetryMs },
    },
  };
}

function wanted(context: JobContext): HoldRequest {
  const hold = wantedHold(context);
  if (hold === undefined) throw new Error('no hold wants the server');
  return hold;
}

function declined(job: string, hold: string, why: string): Effect {
  return { type: 'sendEvent', to: hold, event: { type: 'hold.declined', job, why } };
}

function whyDeclined({ handedOver, server, verdict }: JobContext): string {
  if (handedOver) return 'another hold has the server';
  return server === null ? 'the job ended without a server' : `the job ended with ${verdict ?? 'no verdict'}`;
}
