/**
 * job@1: one CI job from the queue to the end of its cleanup. The seven states and their order are fixed; the files in
 * job/ define the steps within each. Every path to the final state done goes through cleanup; a repeated internal error
 * leads to the other one, parked.
 */

import { assertFirstEvent } from '../protocol/actions.ts';
import { once } from '../protocol/once.ts';
import { booting } from './booting.ts';
import { clearing } from './cleanup.ts';
import { reasonOf } from './failure-reason.ts';
import { declineHold, declineHolds, handingOver, keepHold } from './handing-over.ts';
import { terminalEvents } from './late-events.ts';
import {
  type Args,
  assignFrom,
  backoffMs,
  deadline,
  decide,
  type JobContext,
  type JobMachineEvent,
  jobSetup,
  request,
  update,
} from './machine-setup.ts';
import { minimalReport, publishing, reporting, sendVerdict } from './publishing.ts';
import { stacking, testing } from './stages.ts';

const queueDeadline = deadline(
  () => 'deadline:queued',
  (context) => context.spec.limits.queueTimeoutMs,
);
const alarmDeadline = deadline(
  (context) => `deadline:raisingAlarm:${context.clearings}:${context.deletions}`,
  (context) => context.spec.limits.cleanupTimeoutMs,
);

/** Parked: no event moves the job any more, and an alarm is raised. */
const park = [
  decide('ABORTED'),
  ...sendVerdict(),
  ...declineHolds,
  request(({ context }) => parked(context)),
] as const;

/** Requests its slot again, as a promoted job. */
const promote = update(({ context }) => ({ promotions: context.promotions + 1 }));

const discardDeadline = deadline(
  (context) => `deadline:discarding:${context.discards}`,
  (context) => context.spec.limits.cleanupTimeoutMs,
);

const clearingAtTheEnd = clearing({ done: '#job.cleanup.discarding', givenUp: '#job.cleanup.raisingAlarm' });

const discardRetry = deadline(
  (context) => `retry:discarding:${context.discards}`,
  (context) => backoffMs(context.spec.limits.cleanupRetryMs, context.discards),
);

/** After the last attempt the job ends and leaves the rest to the sweep. */
const discardFailed = [
  { guard: 'discardsLeft', target: 'discardBackoff' },
  { target: '#job.done', actions: request(({ context, event }) => evidenceLeaked(context, reasonOf(event))) },
] as const;
/** It cannot be offered to a hold any more. */
const forgetServer = update(() => ({ server: null }));
const serverAppeared = {
  target: 'awaitingEffects',
  actions: assignFrom('server.active', (event) => ({ server: event.server })),
} as const;

const config = {
  id: 'job',
  context: ({ input }) => firstContext(input),
  initial: 'queued',
  on: {
    'job.cancelled': { target: '.cleanup', actions: decide('ABORTED') },
    'job.superseded': { target: '.cleanup', actions: decide('ABORTED') },
    'machine.failed': [
      { guard: 'failedBefore', target: '.parked', actions: park },
      {
        target: '.cleanup',
        reenter: true,
        actions: [decide('NODE_FAILURE'), update(({ context }) => ({ failures: context.failures + 1 }))],
      },
    ],
    // The other paths to parked run code that may have thrown the error.
    'machine.quarantine-failed': {
      target: '.parked',
      actions: ['abort', ...minimalReport(), request(({ context }) => parked(context))],
    },
    'daemon.crashed': [
      { guard: 'crashedBefore', target: '.parked', actions: park },
      { actions: update(({ context }) => ({ crashes: context.crashes + 1 })) },
    ],
    // In the other states the job no longer waits for a slot.
    'job.promoted': { actions: 'noop' },
    'job.hold-requested': { actions: keepHold },
  },
  states: {
    queued: {
      tags: 'queued',
      initial: 'preparing',
      entry: queueDeadline.arm,
      exit: queueDeadline.disarm,
      on: { 'timer.fired': { target: 'reporting', actions: decide('NODE_FAILURE') } },
      states: {
        // The review looks the change up and merges it once, for all of its jobs.
        preparing: {
          on: {
            'job.ready': {
              target: 'waiting',
              actions: assignFrom('job.ready', ({ trees, dependencies = [] }) => ({ trees, dependencies })),
            },
            'job.rejected': {
              target: '#job.reporting',
              actions: assignFrom('job.rejected', ({ verdict, reason }) => ({ verdict, reason })),
            },
            'job.promoted': { actions: promote },
          },
        },
        waiting: {
          entry: request(acquireSlot),
          exit: request(({ context }) => ({ type: 'cancelEffect', key: slotKey(context) })),
          on: {
            'slot.granted': {
              target: '#job.booting',
              actions: assignFrom('slot.granted', ({ at }) => ({ slot: true, startedAt: at })),
            },
            'job.promoted': { target: 'waiting', reenter: true, actions: promote },
          },
        },
      },
    },
    booting,
    stacking,
    testing,
    publishing,
    reporting,
    cleanup: {
      ...clearingAtTheEnd,
      tags: ['cleanup', 'past-server'],
      entry: [clearingAtTheEnd.entry, ...sendVerdict()],
      on: {
        ...clearingAtTheEnd.on,
        'job.cancelled': { actions: 'noop' },
        'job.superseded': { actions: 'noop' },
        'job.hold-requested': { actions: declineHold },
      },
      states: {
        ...clearingAtTheEnd.states,
        awaitingEffects: {
          ...clearingAtTheEnd.states.awaitingEffects,
          always: [
            { guard: 'mayHandOver', target: 'handingOver' },
            clearingAtTheEnd.states.awaitingEffects.always,
          ],
          on: {
            ...clearingAtTheEnd.states.awaitingEffects.on,
            'job.hold-requested': [{ guard: 'isIntact', actions: keepHold }, { actions: declineHold }],
          },
        },
        handingOver,
        deleting: {
          ...clearingAtTheEnd.states.deleting,
          entry: [...declineHolds, forgetServer, ...clearingAtTheEnd.states.deleting.entry],
        },
        // No server is left. Files on this host are removed last, because leftover processes are found by them.
        discarding: {
          entry: [
            update(({ context }) => ({ slot: false, discards: context.discards + 1 })),
            request(discardEvidence),
            discardDeadline.arm,
          ],
          exit: discardDeadline.disarm,
          on: {
            'evidence.discarded': [{ guard: 'unsettled', actions: 'noop' }, { target: '#job.done' }],
            'evidence.discard-failed': [{ guard: 'ofEarlierDiscard', actions: 'noop' }, ...discardFailed],
            'timer.fired': discardFailed,
            'server.active': serverAppeared,
          },
        },
        discardBackoff: {
          entry: discardRetry.arm,
          exit: discardRetry.disarm,
          on: {
            'evidence.discarded': '#job.done',
            'timer.fired': 'discarding',
            'server.active': serverAppeared,
          },
        },
        raisingAlarm: {
          entry: [request(({ context }) => leaked(context)), alarmDeadline.arm],
          exit: alarmDeadline.disarm,
          on: {
            'alarm.raised': '#job.done',
            'timer.fired': '#job.done',
            // The server that appears may be the one that the cleanup could not find.
            'server.active': serverAppeared,
          },
        },
      },
    },
    done: {
      tags: 'ended',
      entry: 'end',
      on: terminalEvents,
    },
    parked: {
      tags: ['ended', 'parked'],
      entry: 'end',
      on: terminalEvents,
    },
  },
} satisfies Parameters<typeof jobSetup.createMachine>[0];

export const jobMachine = once(() => jobSetup.createMachine(config));

function firstContext(accepted: JobMachineEvent): JobContext {
  assertFirstEvent(accepted);
  if (accepted.type !== 'job.accepted')
    throw new Error(`a job begins with job.accepted, not ${accepted.type}`);
  return {
    job: accepted.job,
    review: accepted.review,
    deployment: accepted.deployment,
    patchset: accepted.patchset,
    spec: accepted.spec,
    acceptedAt: accepted.at,
    startedAt: null,
    endedAt: null,
    attempt: 1,
    trees: [],
    dependencies: [],
    siblings: accepted.siblings ?? [],
    promotions: 0,
    server: null,
    environment: null,
    slot: false,
    verdict: null,
    reason: '',
    stageEnd: null,
    lastLine: null,
    silence: null,
    results: null,
    collectedBytes: 0,
    publishAttempt: 1,
    evidence: 'none',
    url: null,
    verdictSent: false,
    cleanupAttempt: 0,
    clearings: 0,
    deletions: 0,
    discards: 0,
    leaks: 0,
    holds: [],
    handedOver: false,
    failures: 0,
    crashes: 0,
  };
}

function acquireSlot({ context }: Args) {
  const { spec, patchset } = context;
  return {
    type: 'acquireSlot',
    key: slotKey(context),
    provider: spec.provider,
    name: spec.name,
    project: patchset.project,
    ...(spec.backends === undefined ? {} : { backends: spec.backends }),
    headStartMs: spec.headStartMs,
    promoted: context.promotions > 0,
  } as const;
}

function slotKey({ promotions }: Pick<JobContext, 'promotions'>): string {
  return promotions === 0 ? 'slot' : `slot:${promotions}`;
}

function leaked(context: JobContext) {
  return {
    type: 'raiseAlarm',
    key: `alarm:leaked:${context.clearings}:${context.deletions}`,
    alarm: {
      kind: 'server-leaked',
      target: `job ${context.job}`,
      message: `servers of this job could not be removed in ${context.cleanupAttempt} attempts`,
      hint: 'check the provider; the sweep keeps trying',
    },
  } as const;
}

function discardEvidence({ context }: Args) {
  return {
    type: 'discardEvidence',
    key: `discardEvidence:${context.discards}`,
    job: context.job,
    // Collected evidence belongs to the history that publishes it later.
    part: context.evidence === 'pending' ? 'runs' : 'all',
    timeoutMs: context.spec.limits.cleanupTimeoutMs,
  } as const;
}

function evidenceLeaked(context: JobContext, why: string) {
  return {
    type: 'raiseAlarm',
    key: `alarm:evidence-leaked:${context.discards}`,
    alarm: {
      kind: 'evidence-leaked',
      target: `job ${context.job}`,
      message: `the evidence of this job on this host could not be removed. ${why}`,
      hint: 'check the disk of the state directory; the sweep tries again',
    },
  } as const;
}

function parked(context: JobContext) {
  return {
    type: 'raiseAlarm',
    key: 'alarm:parked',
    alarm: {
      kind: 'job-parked',
      target: `job ${context.job}`,
      message: `this job is parked. ${context.reason}`,
      hint: `sos-ci job ${context.job} shows the story; the sweep removes what it left; report a bug`,
    },
  } as const;
}
