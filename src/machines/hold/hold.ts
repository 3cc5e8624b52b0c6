/**
 * hold@1: the server of a job, kept for debugging. The hold waits for a job to offer its server, which the job's
 * cleanup does instead of deleting it. From then on the hold owns the server: it opens it for people, and deletes it
 * when the hold expires or an operator releases it, with as many attempts as a job's cleanup.
 */
import { assign, setup } from 'xstate';
import { backoff } from '../model/backoff.ts';
import type { Login } from '../model/domain.ts';
import { actionsFor, assertFirstEvent, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import { once } from '../protocol/once.ts';
import type { HoldEvent, HoldTarget, OfferedServer } from './hold-events.ts';

export interface HoldContext {
  readonly hold: string;
  readonly target: HoldTarget;
  readonly by: string;
  readonly why: string;
  readonly requestedAt: number;
  readonly durationMs: number;
  readonly waitMs: number;
  /** Null until a job has handed its server over. */
  readonly held: (OfferedServer & { readonly since: number }) | null;
  readonly login: Login | null;
  /** Why the server could not be opened for people; '' if it could, or was not tried. */
  readonly problem: string;
  /** Attempts at opening it. */
  readonly opens: number;
  /** Attempts at deleting it. */
  readonly deletions: number;
  /** Why the hold ended or is about to; null before. */
  readonly ending: string | null;
  readonly failures: number;
  readonly crashes: number;
}

type HoldMachineEvent = HoldEvent & StepMeta;
interface Args {
  readonly context: HoldContext;
  readonly event: HoldMachineEvent;
}

/** A server that cannot be opened in this many attempts is kept as it is: a console may still reach it. */
const MAX_OPENS = 4;

const { request, update, deadline } = actionsFor<HoldContext, HoldEvent>();
const noop = { actions: 'noop' } as const;

const openDeadline = deadline(
  ({ opens }) => `deadline:opening:${opens}`,
  // The attempt has its own limit; this deadline catches one that never answers.
  (context) => heldOf(context).limits.cleanupTimeoutMs * 2,
);
const openRetry = deadline(
  ({ opens }) => `retry:opening:${opens}`,
  (context) => retryMs(context, context.opens),
);
const deleteDeadline = deadline(
  ({ deletions }) => `deadline:deleting:${deletions}`,
  (context) => heldOf(context).limits.cleanupTimeoutMs * 2,
);
const deleteRetry = deadline(
  ({ deletions }) => `retry:deleting:${deletions}`,
  (context) => retryMs(context, context.deletions),
);

/** Ends at its wall-clock time, also when no daemon was alive meanwhile. */
function expiry(phase: 'armed' | 'holding') {
  const key = `expiry:${phase}`;
  return {
    arm: request(({ context, event }) => {
      const dueAt = untilOf(context);
      return { type: 'setTimer', key, dueAt, delayMs: Math.max(0, dueAt - event.at) };
    }),
    disarm: request(() => ({ type: 'cancelEffect', key })),
  };
}
const armedExpiry = expiry('armed');
const holdingExpiry = expiry('holding');

const holdSetup = setup({
  types: {
    context: {} as HoldContext,
    events: {} as HoldMachineEvent,
    input: {} as HoldMachineEvent,
    tags: {} as 'ended' | 'armed' | 'releasing',
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<HoldContext>) => changes),
    noop: () => {},
  },
  guards: {
    /** A job repeats its offer when an internal error interrupted its cleanup. */
    isOfHeldJob: ({ context, event }) => event.type === 'server.offered' && event.job === context.held?.job,
    isForOneJob: ({ context }) => 'job' in context.target,
    opensLeft: ({ context }) => context.opens < MAX_OPENS,
    deletionsLeft: ({ context }) => context.deletions < heldOf(context).limits.cleanupAttempts,
    ofEarlierDeletion: ({ context, event }) => event.settles !== `deleteServer:${context.deletions}`,
    ofEarlierOpen: ({ context, event }) => event.settles !== `openServer:${context.opens}`,
    hasNoServer: ({ context }) => context.held === null,
    failedBefore: ({ context }) => context.failures > 0,
    crashedBefore: ({ context }) => context.crashes > 0,
  },
});

const end = (why: string) => update(() => ({ ending: why }));
const endAs = update(({ context, event }) => ({ ending: endingOf(context, event) }));
const released = { target: '#hold.releasing', actions: endAs } as const;
const openFailed = [
  { guard: 'opensLeft', target: '#hold.opening.backoff', actions: update(keepProblem) },
  { target: '#hold.holding', actions: update(keepProblem) },
] as const;
const deleteFailed = [
  { guard: 'deletionsLeft', target: '#hold.releasing.backoff' },
  { target: '#hold.done', actions: request(({ context }) => leakedAlarm(context)) },
] as const;

/** Answers of attempts that ran into their deadline, and events that come too late to change anything. */
const lateEvents = {
  'alarm.raised': noop,
  'server.opened': noop,
  'server.open-failed': noop,
  'server.deleted': noop,
  'server.delete-failed': noop,
  'hold.declined': noop,
  'hold.released': noop,
} as const;

const config = {
  id: 'hold',
  context: ({ input }) => firstContext(input),
  initial: 'armed',
  on: {
    ...lateEvents,
    'server.offered': [
      { guard: 'isOfHeldJob', actions: request(handOver) },
      { actions: request(({ event }) => refuse(event)) },
    ],
    'machine.failed': [
      { guard: 'hasNoServer', target: '.done', actions: endAs },
      { guard: 'failedBefore', target: '.done', actions: request(({ context }) => leakedAlarm(context)) },
      {
        target: '.releasing',
        reenter: true,
        actions: [endAs, update(({ context }) => ({ failures: context.failures + 1 }))],
      },
    ],
    // The other paths run code that may have thrown the error. The sweep removes the server.
    'machine.quarantine-failed': '.done',
    'daemon.crashed': [
      {
        guard: 'crashedBefore',
        target: '.done',
        actions: [endAs, request(({ context }) => crashedAlarm(context))],
      },
      { actions: update(({ context }) => ({ crashes: context.crashes + 1 })) },
    ],
  },
  states: {
    armed: {
      tags: 'armed',
      entry: armedExpiry.arm,
      exit: armedExpiry.disarm,
      on: {
        'server.offered': { target: 'opening', actions: [update(takeServer), request(handOver)] },
        'hold.declined': [{ guard: 'isForOneJob', target: 'done', actions: endAs }, noop],
        'hold.released': { target: 'done', actions: endAs },
        'timer.fired': { target: 'done', actions: end('no job failed in time') },
      },
    },
    opening: {
      initial: 'requested',
      on: { 'hold.released': released },
      states: {
        requested: {
          entry: [
            update(({ context }) => ({ opens: context.opens + 1 })),
            request(openServer),
            openDeadline.arm,
          ],
          exit: openDeadline.disarm,
          on: {
            'server.opened': [
              { guard: 'ofEarlierOpen', actions: 'noop' },
              { target: '#hold.holding', actions: update(keepLogin) },
            ],
            'server.open-failed': [{ guard: 'ofEarlierOpen', actions: 'noop' }, ...openFailed],
            'timer.fired': openFailed,
          },
        },
        backoff: {
          entry: openRetry.arm,
          exit: openRetry.disarm,
          on: { 'timer.fired': 'requested' },
        },
      },
    },
    holding: {
      entry: holdingExpiry.arm,
      exit: holdingExpiry.disarm,
      on: {
        'hold.released': released,
        'timer.fired': { target: 'releasing', actions: end('its time was over') },
      },
    },
    releasing: {
      tags: 'releasing',
      initial: 'deleting',
      states: {
        deleting: {
          entry: [
            update(({ context }) => ({ deletions: context.deletions + 1 })),
            request(deleteServer),
            deleteDeadline.arm,
          ],
          exit: deleteDeadline.disarm,
          on: {
            'server.deleted': [{ guard: 'ofEarlierDeletion', actions: 'noop' }, { target: '#hold.done' }],
            'server.delete-failed': [{ guard: 'ofEarlierDeletion', actions: 'noop' }, ...deleteFailed],
            'timer.fired': deleteFailed,
          },
        },
        backoff: {
          entry: deleteRetry.arm,
          exit: deleteRetry.disarm,
          on: { 'timer.fired': 'deleting' },
        },
      },
    },
    done: {
      tags: 'ended',
      on: {
        ...lateEvents,
        // The job then deletes the server as if there had been no hold.
        'server.offered': { actions: request(({ event }) => refuse(event)) },
        'machine.failed': noop,
        'machine.quarantine-failed': noop,
        'daemon.crashed': noop,
      },
    },
  },
} satisfies Parameters<typeof holdSetup.createMachine>[0];

export const holdMachine = once(() => holdSetup.createMachine(config));

function firstContext(requested: HoldMachineEvent): HoldContext {
  assertFirstEvent(requested);
  if (requested.type !== 'hold.requested')
    throw new Error(`a hold begins with hold.requested, not ${requested.type}`);
  const { hold, target, durationMs, waitMs, by, why, at } = requested;
  return {
    ...{ hold, target, by, why, durationMs, waitMs },
    requestedAt: at,
    held: null,
    login: null,
    problem: '',
    opens: 0,
    deletions: 0,
    ending: null,
    failures: 0,
    crashes: 0,
  };
}

/** When the hold ends unless something else happens: as a request, or with its server. Epoch ms. */
export function untilOf({ held, requestedAt, durationMs, waitMs }: HoldContext): number {
  return held === null ? requestedAt + waitMs : held.since + durationMs;
}

function takeServer({ event }: Args): Partial<HoldContext> {
  if (event.type !== 'server.offered') throw new Error(`expected server.offered, got ${event.type}`);
  const { job, name, project, change, patchset, verdict, server, owner, limits, at } = event;
  return {
    held: { job, name, project, change, patchset, verdict, server, owner, limits, since: at },
  };
}

function handOver({ context }: Args): Effect {
  const { hold } = context;
  return { type: 'sendEvent', to: heldOf(context).job, event: { type: 'server.handed-over', hold } };
}

function refuse(event: HoldMachineEvent): Effect | null {
  return event.type === 'server.offered'
    ? { type: 'sendEvent', to: event.job, event: { type: 'server.offer-refused' } }
    : null;
}

function openServer({ context }: Args): Effect {
  const { server, limits } = heldOf(context);
  const key = `openServer:${context.opens}`;
  return { type: 'openServer', key, server, timeoutMs: limits.cleanupTimeoutMs };
}

function deleteServer({ context }: Args): Effect {
  const { server, owner, limits } = heldOf(context);
  const key = `deleteServer:${context.deletions}`;
  return { type: 'deleteServer', key, provider: server.provider, owner, timeoutMs: limits.cleanupTimeoutMs };
}

function keepLogin({ event }: Args): Partial<HoldContext> {
  return event.type === 'server.opened' ? { login: event.login, problem: '' } : {};
}

function keepProblem({ event }: Args): Partial<HoldContext> {
  if (event.type !== 'server.open-failed') return { problem: 'opening it took longer than allowed' };
  const { operation, message } = event.failure;
  return { problem: `${operation}: ${message}` };
}

function endingOf({ ending }: HoldContext, event: HoldMachineEvent): string {
  switch (event.type) {
    case 'hold.released':
      return `released by ${event.by}${event.why === '' ? '' : `: ${event.why}`}`;
    case 'hold.declined':
      return event.why;
    case 'machine.failed':
      return `internal error at ${event.event}: ${event.message}`;
    case 'daemon.crashed':
      return `the daemon crashed twice, last during ${event.during}: ${event.message}`;
    default:
      return ending ?? '';
  }
}

function leakedAlarm({ hold, deletions, held }: HoldContext): Effect {
  return {
    type: 'raiseAlarm',
    key: 'alarm:leaked',
    alarm: {
      kind: 'server-leaked',
      target: `hold ${hold}`,
      message: `the held server ${held?.server.name ?? ''} could not be removed in ${deletions} attempts`,
      hint: 'check the provider; the sweep keeps trying',
    },
  };
}

function crashedAlarm({ hold, held }: HoldContext): Effect | null {
  if (held === null) return null;
  return {
    type: 'raiseAlarm',
    key: 'alarm:crashed',
    alarm: {
      kind: 'server-leaked',
      target: `hold ${hold}`,
      message: `the daemon crashed twice while it worked on this hold, which ends: the sweep removes ${held.server.name}`,
      hint: `sos-ci history ${hold} shows the story; report a bug`,
    },
  };
}

function retryMs(context: HoldContext, attempt: number): number {
  const { cleanupRetryMs } = heldOf(context).limits;
  return backoff(attempt, cleanupRetryMs, cleanupRetryMs * 64);
}

function heldOf({ held }: HoldContext): OfferedServer {
  if (held === null) throw new Error('the hold has no server');
  return held;
}
