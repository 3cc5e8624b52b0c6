/**
 * stream@1: the connection to Gerrit's stream, and whether events were missed while it was down or unreliable. Whenever
 * events may have been missed, it requests a catch-up query, retries until that succeeds, and only then counts as
 * listening. One history for all daemons of a database; it never ends.
 */
import { backoff } from '../model/backoff.ts';
import { formatLimit } from '../model/duration.ts';
import { assertFirstEvent } from '../protocol/actions.ts';
import { once } from '../protocol/once.ts';
import {
  clearCatchUpAlarm,
  clearDownAlarm,
  countAlarm,
  countCatchUpAlarm,
  deadline,
  EVERYTHING,
  raise,
  request,
  type StreamArgs,
  type StreamContext,
  type StreamMachineEvent,
  streamSetup,
  unionOf,
  update,
} from './stream-setup.ts';

const downTimer = deadline(
  (context) => `deadline:stream:${context.outages}`,
  (context) => context.limits.downAlarmMs,
);
const retryTimer = deadline(
  (context) => `retry:catchUp:${context.catchUps}`,
  ({ limits, failures }) => backoff(failures, limits.catchUpRetryMs, limits.catchUpRetryMaxMs),
);
const settleTimer = deadline(
  (context) => `retry:look:${context.catchUps}`,
  (context) => context.limits.catchUpAgainMs,
);
const noop = { actions: 'noop' } as const;

/** Withdraws the running query when its connection is lost; it is repeated on the next connection. */
const cancelCatchUp = [
  request(({ context }) =>
    context.asked === null ? null : { type: 'cancelEffect', key: `catchUp:${context.catchUps}` },
  ),
  update(() => ({ asked: null, gap: EVERYTHING })),
] as const;
const keepWhy = update(({ event }) =>
  'why' in event ? { why: event.why, hint: 'hint' in event ? event.hint : '' } : {},
);
const widen = update(({ context, event }) => {
  if (event.type !== 'stream.gap-suspected') return {};
  const { changes, why } = event;
  return { gap: unionOf(context.gap, { everything: changes === null, changes: changes ?? [], why }) };
});
const begin = update(({ context, event }) =>
  event.type === 'stream.started'
    ? { server: event.server, limits: event.limits, crashes: event.since === null ? context.crashes : 0 }
    : {},
);

const close = [request(({ context }) => clearCatchUpAlarm(context)), update(closed)] as const;

/** The connection was lost. */
const lost = { target: '#stream.down.backoff', actions: keepWhy } as const;
const refused = [
  { guard: 'accessDeniedAlarmActive', target: '#stream.down.rejected', actions: keepWhy },
  {
    target: '#stream.down.rejected',
    actions: [
      keepWhy,
      update(() => ({ activeAlarm: 'stream-access-denied' })),
      countAlarm,
      raise('stream-access-denied', ({ context }) => ({ message: context.why, hint: context.hint })),
    ],
  },
] as const;

const config = {
  id: 'stream',
  context: ({ input }) => firstContext(input),
  initial: 'down',
  on: {
    // A killed daemon leaves the history in any state.
    'stream.started': { target: '.down', reenter: true, actions: begin },
    'stream.stopped': { target: '.stopped' },
    'alarm.raised': noop,
    'machine.failed': {
      actions: [
        countCatchUpAlarm,
        raise('catch-up-failing', ({ event }) => ({
          message: `internal error: ${event.type === 'machine.failed' ? event.message : ''}`,
          hint: 'sos-ci history stream shows the rows; restart the daemon; report a bug',
        })),
      ],
    },
    'daemon.crashed': [
      {
        guard: 'crashedBefore',
        actions: [update(() => ({ crashes: 2 })), countCatchUpAlarm, raise('catch-up-failing', givenUp)],
      },
      { actions: update(() => ({ crashes: 1 })) },
    ],
  },
  states: {
    down: {
      entry: [
        ...cancelCatchUp,
        update(({ context, event }) => ({
          outages: context.outages + 1,
          upSince: null,
          downSince: context.downSince ?? event.at,
        })),
        downTimer.arm,
      ],
      exit: downTimer.disarm,
      initial: 'connecting',
      on: {
        'stream.connected': { target: 'up', actions: keepWhy },
        'stream.disconnected': lost,
        'stream.rejected': refused,
        'stream.gap-suspected': noop,
        'timer.fired': [
          { guard: 'alarmActive', actions: 'noop' },
          {
            actions: [
              update(() => ({ activeAlarm: 'stream-down' })),
              countAlarm,
              raise('stream-down', ({ context, event }) => ({
                message: `no connection for ${formatLimit(event.at - (context.downSince ?? event.at))}: ${context.why}`,
                hint:
                  context.hint === ''
                    ? 'sos-ci retries automatically; check whether Gerrit is reachable'
                    : context.hint,
              })),
            ],
          },
        ],
      },
      states: {
        connecting: { description: 'connecting' },
        backoff: { description: 'not connected, retrying' },
        rejected: { description: 'refused by Gerrit' },
      },
    },
    up: {
      entry: [
        request(({ context, event }) => clearDownAlarm(context, event.at)),
        update(({ context, event }) => ({
          alarms: context.activeAlarm === null ? context.alarms : context.alarms + 1,
          activeAlarm: null,
          upSince: event.at,
          downSince: null,
          failures: 0,
          settled: false,
        })),
      ],
      initial: 'deciding',
      on: {
        'stream.connected': { actions: keepWhy },
        'stream.disconnected': lost,
        'stream.rejected': refused,
        'stream.gap-suspected': { actions: widen },
      },
      states: {
        deciding: { always: [{ guard: 'mayCatchUp', target: 'catchingUp' }, { target: 'listening' }] },
        catchingUp: {
          description: 'connected, checking for missed events',
          entry: [
            update(({ context }) => ({
              catchUps: context.catchUps + 1,
              asked: context.gap ?? EVERYTHING,
              gap: null,
            })),
            request(({ context }) => ({
              type: 'catchUp',
              key: `catchUp:${context.catchUps}`,
              changes: context.asked?.everything === false ? context.asked.changes : null,
              timeoutMs: context.limits.catchUpTimeoutMs,
            })),
          ],
          on: {
            'catchup.completed': [
              { guard: 'gapLeft', target: 'catchingUp', reenter: true, actions: close },
              { guard: 'settled', target: 'listening', actions: close },
              { target: 'awaitingIndex', actions: close },
            ],
            'catchup.failed': [
              {
                guard: 'failedOften',
                target: 'catchUpBackoff',
                actions: [update(reopened), countCatchUpAlarm, raise('catch-up-failing', failing)],
              },
              { target: 'catchUpBackoff', actions: update(reopened) },
            ],
          },
        },
        catchUpBackoff: {
          description: 'connected, missed events could not be looked up yet',
          entry: retryTimer.arm,
          exit: retryTimer.disarm,
          on: { 'timer.fired': 'catchingUp' },
        },
        // Events from just before the stream began may not be visible yet: Gerrit's index lags behind its events.
        awaitingIndex: {
          description: 'listening; checks again soon for missed events',
          entry: settleTimer.arm,
          exit: settleTimer.disarm,
          on: {
            'timer.fired': {
              target: 'catchingUp',
              actions: update(() => ({ settled: true, gap: EVERYTHING })),
            },
            'stream.gap-suspected': { target: 'catchingUp', actions: widen },
          },
        },
        listening: {
          description: 'listening',
          on: {
            'stream.gap-suspected': [
              { guard: 'mayCatchUp', target: 'catchingUp', actions: widen },
              { actions: 'noop' },
            ],
          },
        },
      },
    },
    stopped: {
      description: 'not connected',
      entry: [...cancelCatchUp, update(() => ({ upSince: null, downSince: null, why: 'stopped', hint: '' }))],
      on: {
        'stream.connected': noop,
        'stream.disconnected': noop,
        'stream.rejected': noop,
        'stream.gap-suspected': noop,
      },
    },
  },
} satisfies Parameters<typeof streamSetup.createMachine>[0];

export const streamMachine = once(() => streamSetup.createMachine(config));

function firstContext(started: StreamMachineEvent): StreamContext {
  assertFirstEvent(started);
  if (started.type !== 'stream.started')
    throw new Error(`a stream begins with stream.started, not ${started.type}`);
  return {
    server: started.server,
    limits: started.limits,
    upSince: null,
    downSince: null,
    why: '',
    hint: '',
    outages: 0,
    catchUps: 0,
    alarms: 0,
    gap: null,
    asked: null,
    failures: 0,
    caughtUp: null,
    settled: false,
    activeAlarm: null,
    catchUpAlarmActive: false,
    crashes: 0,
  };
}

function closed({ context, event }: StreamArgs): Partial<StreamContext> {
  if (event.type !== 'catchup.completed') return {};
  const { at, since, changes, found, ambiguous } = event;
  const again = {
    everything: false,
    changes: ambiguous,
    why: 'the stream reported the same changes meanwhile',
  };
  return {
    asked: null,
    gap: ambiguous.length === 0 ? context.gap : unionOf(again, context.gap),
    failures: 0,
    crashes: 0,
    catchUpAlarmActive: false,
    alarms: context.alarms + (context.catchUpAlarmActive ? 1 : 0),
    caughtUp: { at, since, changes, found },
  };
}

function reopened({ context }: StreamArgs): Partial<StreamContext> {
  return { asked: null, gap: unionOf(context.asked, context.gap), failures: context.failures + 1 };
}

function failing({ context, event }: StreamArgs) {
  const { message, hint } = event.type === 'catchup.failed' ? event.failure : { message: '', hint: '' };
  return {
    message: `missed events could not be looked up in ${context.failures} attempts: ${message}`,
    hint: hint === '' ? 'nothing is lost yet: sos-ci retries until it succeeds' : hint,
  };
}

function givenUp({ context }: StreamArgs) {
  const from = context.caughtUp === null ? '' : `; sos-ci status shows the last successful catch-up`;
  return {
    message: `looking up missed events crashed the daemon twice and is disabled${from}`,
    hint: 'report a bug; with its fix, start once with --since 1h, which enables it again and skips nothing',
  };
}
