/**
 * janitor@1: one cleaning. It waits until it has all units of its back ends, so that no job that uses one runs meanwhile,
 * and runs the janitor on this host. Between two attempts it gives the back ends back. An attempt whose end is uncertain
 * is stopped before the back ends are given back.
 */
import { assign, setup } from 'xstate';
import { backoff } from '../model/backoff.ts';
import type { CleaningCause, CleaningOutcome, JanitorRun, JanitorSpec } from '../model/janitor.ts';
import { actionsFor, assertFirstEvent, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import { once } from '../protocol/once.ts';
import type { JanitorEvent } from './janitor-events.ts';

export interface JanitorContext {
  readonly cleaning: string;
  readonly janitor: JanitorSpec;
  readonly cause: CleaningCause;
  readonly requestedAt: number;
  /** True while no job may use its back ends. */
  readonly holding: boolean;
  readonly attempt: number;
  readonly startedAt: number | null;
  /** Requests for its back ends. */
  readonly waits: number;
  readonly stops: number;
  /** Attempts at stopping the current run. */
  readonly stopAttempt: number;
  readonly outcome: CleaningOutcome | null;
  readonly reason: string;
  readonly endedAt: number | null;
  readonly failures: number;
  readonly crashes: number;
}

type JanitorMachineEvent = JanitorEvent & StepMeta;
interface Args {
  readonly context: JanitorContext;
  readonly event: JanitorMachineEvent;
}

const { request, update, deadline } = actionsFor<JanitorContext, JanitorEvent>();
const noop = { actions: 'noop' } as const;

const waitDeadline = deadline(
  ({ waits }) => `deadline:waiting:${waits}`,
  ({ janitor }) => janitor.waitMs,
);
const runDeadline = deadline(
  ({ attempt }) => `deadline:running:${attempt}`,
  ({ janitor }) => janitor.timeoutMs + janitor.graceMs,
);
const retry = deadline(
  ({ attempt }) => `retry:cleaning:${attempt}`,
  ({ attempt, janitor }) => backoff(attempt, janitor.retryMs, janitor.retryMs * 64),
);
const stopDeadline = deadline(
  ({ stops }) => `deadline:stopping:${stops}`,
  // The attempt has its own limit; this deadline catches one that never answers.
  ({ janitor }) => janitor.stopTimeoutMs * 2,
);
const stopRetry = deadline(
  ({ stops }) => `retry:stopping:${stops}`,
  ({ stopAttempt, janitor }) => backoff(stopAttempt, janitor.stopRetryMs, janitor.stopRetryMs * 64),
);

const janitorSetup = setup({
  types: {
    context: {} as JanitorContext,
    events: {} as JanitorMachineEvent,
    input: {} as JanitorMachineEvent,
    tags: {} as 'ended' | 'waiting' | 'stopping',
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<JanitorContext>) => changes),
    noop: () => {},
  },
  guards: {
    succeeded: ({ event }) =>
      event.type === 'janitor.exited' && event.end.how === 'exited' && event.end.code === 0,
    attemptsLeft: ({ context }) => context.attempt < context.janitor.attempts,
    stopsLeft: ({ context }) => context.stopAttempt < context.janitor.stopAttempts,
    ofEarlierRun: ({ context, event }) => event.settles !== `runJanitor:${context.attempt}`,
    ofEarlierStop: ({ context, event }) => event.settles !== `stopJanitor:${context.stops}`,
    isNotHolding: ({ context }) => !context.holding,
    failedBefore: ({ context }) => context.failures > 0,
    crashedBefore: ({ context }) => context.crashes > 0,
  },
});

const keepReason = update(({ event }) => ({ reason: reasonOf(event) }));
const alarm = request(({ context }) => failedAlarm(context));
const failedFinally = {
  target: '#janitor.done',
  actions: [update(() => ({ outcome: 'failed' })), alarm],
} as const;
/** No process of the attempt is left. */
const attemptFailed = [{ guard: 'attemptsLeft', target: '#janitor.backoff' }, failedFinally] as const;
/** A process of the attempt may be left. */
const endUncertain = { target: '#janitor.stopping', actions: keepReason } as const;
const stopFailed = [
  { guard: 'stopsLeft', target: '#janitor.stopping.backoff' },
  {
    ...failedFinally,
    actions: [update(({ context }) => ({ outcome: 'failed', reason: unstoppable(context) })), alarm],
  },
] as const;

/** Answers of attempts that ran into their deadline, and events that come too late to change anything. */
const lateEvents = {
  'alarm.raised': noop,
  'backends.granted': noop,
  'janitor.started': noop,
  'janitor.exited': noop,
  'janitor.lost': noop,
  'janitor.start-failed': noop,
  'janitor.stopped': noop,
  'janitor.stop-failed': noop,
} as const;

const config = {
  id: 'janitor',
  context: ({ input }) => firstContext(input),
  initial: 'waiting',
  on: {
    ...lateEvents,
    'machine.failed': [
      { guard: 'isNotHolding', ...failedFinally, actions: [keepReason, ...failedFinally.actions] },
      { guard: 'failedBefore', ...failedFinally },
      {
        target: '.stopping',
        reenter: true,
        actions: [keepReason, update(({ context }) => ({ failures: context.failures + 1 }))],
      },
    ],
    // The other paths run code that may have thrown the error. The runner keeps to its own deadline.
    'machine.quarantine-failed': '.done',
    'daemon.crashed': [
      { guard: 'crashedBefore', ...failedFinally, actions: [keepReason, ...failedFinally.actions] },
      { actions: update(({ context }) => ({ crashes: context.crashes + 1 })) },
    ],
  },
  states: {
    waiting: {
      tags: 'waiting',
      entry: [
        update(({ context }) => ({ waits: context.waits + 1 })),
        request(acquireBackends),
        waitDeadline.arm,
      ],
      exit: [
        waitDeadline.disarm,
        request(({ context }) => ({ type: 'cancelEffect', key: backendsKey(context) })),
      ],
      on: {
        'backends.granted': { target: 'running', actions: update(() => ({ holding: true })) },
        'timer.fired': {
          target: 'done',
          actions: [update(({ context }) => ({ outcome: 'not-run', reason: neverFree(context) })), alarm],
        },
      },
    },
    running: {
      entry: [
        update(({ context, event }) => ({
          attempt: context.attempt + 1,
          startedAt: event.at,
          stopAttempt: 0,
        })),
        request(runJanitor),
        runDeadline.arm,
      ],
      exit: runDeadline.disarm,
      on: {
        'janitor.exited': [
          { guard: 'ofEarlierRun', actions: 'noop' },
          {
            guard: 'succeeded',
            target: 'done',
            actions: [
              update(() => ({ outcome: 'succeeded', reason: '' })),
              request(({ context }) => clearedAlarm(context)),
            ],
          },
          ...attemptFailed.map((transition) => ({
            ...transition,
            actions: [keepReason, ...('actions' in transition ? transition.actions : [])],
          })),
        ],
        'janitor.lost': [{ guard: 'ofEarlierRun', actions: 'noop' }, endUncertain],
        'janitor.start-failed': [{ guard: 'ofEarlierRun', actions: 'noop' }, endUncertain],
        'timer.fired': endUncertain,
      },
    },
    stopping: {
      tags: 'stopping',
      initial: 'requested',
      states: {
        requested: {
          entry: [
            update(({ context }) => ({ stops: context.stops + 1, stopAttempt: context.stopAttempt + 1 })),
            request(stopJanitor),
            stopDeadline.arm,
          ],
          exit: stopDeadline.disarm,
          on: {
            'janitor.stopped': [{ guard: 'ofEarlierStop', actions: 'noop' }, ...attemptFailed],
            'janitor.stop-failed': [{ guard: 'ofEarlierStop', actions: 'noop' }, ...stopFailed],
            'timer.fired': stopFailed,
          },
        },
        backoff: {
          entry: stopRetry.arm,
          exit: stopRetry.disarm,
          on: { 'timer.fired': 'requested' },
        },
      },
    },
    backoff: {
      tags: 'waiting',
      entry: [update(() => ({ holding: false })), retry.arm],
      exit: retry.disarm,
      on: { 'timer.fired': 'waiting' },
    },
    done: {
      tags: 'ended',
      entry: update(({ context, event }) => ({
        holding: false,
        endedAt: event.at,
        outcome: context.outcome ?? 'failed',
      })),
      on: {
        ...lateEvents,
        'machine.failed': noop,
        'machine.quarantine-failed': noop,
        'daemon.crashed': noop,
      },
    },
  },
} satisfies Parameters<typeof janitorSetup.createMachine>[0];

export const janitorMachine = once(() => janitorSetup.createMachine(config));

function firstContext(requested: JanitorMachineEvent): JanitorContext {
  assertFirstEvent(requested);
  if (requested.type !== 'cleaning.requested')
    throw new Error(`a cleaning begins with cleaning.requested, not ${requested.type}`);
  const { cleaning, janitor, cause, at } = requested;
  return {
    ...{ cleaning, janitor, cause },
    requestedAt: at,
    holding: false,
    attempt: 0,
    startedAt: null,
    waits: 0,
    stops: 0,
    stopAttempt: 0,
    outcome: null,
    reason: '',
    endedAt: null,
    failures: 0,
    crashes: 0,
  };
}

function runOf({ cleaning, janitor, attempt }: JanitorContext): JanitorRun {
  return { janitor: janitor.name, cleaning, attempt };
}

function backendsKey({ waits }: JanitorContext): string {
  return `backends:${waits}`;
}

function acquireBackends({ context }: Args): Effect {
  const { name, backends } = context.janitor;
  return { type: 'acquireBackends', key: backendsKey(context), name, backends };
}

function runJanitor({ context }: Args): Effect {
  const { backends, work, timeoutMs, outputLimitBytes } = context.janitor;
  const key = `runJanitor:${context.attempt}`;
  return { type: 'runJanitor', key, run: runOf(context), backends, work, timeoutMs, outputLimitBytes };
}

function stopJanitor({ context }: Args): Effect {
  const key = `stopJanitor:${context.stops}`;
  return { type: 'stopJanitor', key, run: runOf(context), timeoutMs: context.janitor.stopTimeoutMs };
}

function reasonOf(event: JanitorMachineEvent): string {
  switch (event.type) {
    case 'janitor.exited':
      return exitText(event);
    case 'janitor.lost':
      return event.why;
    case 'janitor.start-failed':
      return `${event.failure.operation}: ${event.failure.message}`;
    case 'machine.failed':
      return `internal error at ${event.event}: ${event.message}`;
    case 'daemon.crashed':
      return `the daemon crashed twice, last during ${event.during}: ${event.message}`;
    default:
      return 'it gave no answer in time';
  }
}

function exitText({ end, lastLine }: Extract<JanitorEvent, { type: 'janitor.exited' }>): string {
  const detail = lastLine === undefined ? '' : `: ${lastLine}`;
  switch (end.how) {
    case 'exited': {
      const { failedTask } = end;
      if (failedTask !== undefined)
        return `task "${failedTask.task}" failed on ${failedTask.host}: ${failedTask.message}`;
      return `it exited with ${end.code}${detail}`;
    }
    case 'killed':
      return `it was killed by signal ${end.signal}${detail}`;
    case 'timedOut':
      return `it was not done in time${detail}`;
    case 'stopped':
      return 'it was stopped';
  }
}

function neverFree({ janitor }: JanitorContext): string {
  return `its back ends were never free: ${janitor.backends.join(', ')}`;
}

function unstoppable({ reason, stopAttempt }: JanitorContext): string {
  return `${reason}; its processes could not be ended in ${stopAttempt} attempts`;
}

function failedAlarm({ cleaning, janitor, attempt, reason }: JanitorContext): Effect {
  const tries = attempt > 1 ? ` in ${attempt} attempts` : '';
  return {
    type: 'raiseAlarm',
    key: 'alarm:failed',
    alarm: {
      kind: 'janitor-failed',
      target: janitor.name,
      message: `the janitor did not clean${tries}: ${reason}`,
      hint: `sos-ci janitors shows where its log is; try again: sos-ci clean ${janitor.name} (its history: sos-ci history ${cleaning})`,
    },
  };
}

function clearedAlarm({ janitor }: JanitorContext): Effect {
  const message = 'the janitor cleaned';
  return {
    type: 'raiseAlarm',
    key: 'alarm:cleared',
    alarm: { kind: 'janitor-failed', target: janitor.name, message, hint: '', cleared: true },
  };
}
