/** The setup of every state of stream@1: context, guards, actions, and the texts of its alarms. */
import { assign, setup } from 'xstate';
import type { Alarm } from '../model/alarm.ts';
import { formatLimit } from '../model/duration.ts';
import { actionsFor, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import type { StreamEvent, StreamLimits } from '../protocol/events.ts';
import type { HistorySnapshot } from '../protocol/row.ts';
import type { Selectors, StreamStatus } from '../protocol/version.ts';

/** What must be checked: everything since the stored position, or only some changes. */
export interface Gap {
  readonly everything: boolean;
  readonly changes: readonly number[];
  readonly why: string;
}

export interface StreamContext extends StreamStatus {
  readonly limits: StreamLimits;
  /** Catch-ups and alarms so far, which make effect keys unique, as `outages` does. */
  readonly catchUps: number;
  readonly alarms: number;
  /** What must be checked; null: nothing is known to be missing. */
  readonly gap: Gap | null;
  /** What the running catch-up checks. */
  readonly asked: Gap | null;
  /** The second catch-up after the connection was made is done. */
  readonly settled: boolean;
  /** The alarm that is active. */
  readonly activeAlarm: 'stream-down' | 'stream-access-denied' | null;
  /** The alarm about failing catch-ups is active. */
  readonly catchUpAlarmActive: boolean;
  /** Crashes of the daemon during a catch-up. After the second one catch-ups stop until an operator requests one. */
  readonly crashes: number;
}

export type StreamMachineEvent = StreamEvent & StepMeta;

export interface StreamArgs {
  readonly context: StreamContext;
  readonly event: StreamMachineEvent;
}

export const { request, update, deadline } = actionsFor<StreamContext, StreamEvent>();

/** Counts an alarm, which gives it its key. Must be followed by `raise`. */
export const countAlarm = update(({ context }) => ({ alarms: context.alarms + 1 }));

/** The same for the alarm that the next successful catch-up clears. */
export const countCatchUpAlarm = update(({ context }) => ({
  alarms: context.alarms + 1,
  catchUpAlarmActive: true,
}));

export function raise(
  kind: Alarm['kind'],
  describe: (args: StreamArgs) => { readonly message: string; readonly hint: string },
) {
  return request((args) => ({
    type: 'raiseAlarm',
    key: `alarm:${args.context.alarms}`,
    alarm: { kind, target: args.context.server, ...describe(args) },
  }));
}

/** The union of both gaps. */
export function unionOf(one: Gap | null, other: Gap | null): Gap | null {
  if (one === null || other === null) return one ?? other;
  const everything = one.everything || other.everything;
  const changes = everything ? [] : [...new Set([...one.changes, ...other.changes])];
  return { everything, changes, why: other.why };
}

export const EVERYTHING: Gap = { everything: true, changes: [], why: '' };

export const streamSetup = setup({
  types: {
    context: {} as StreamContext,
    events: {} as StreamMachineEvent,
    input: {} as StreamMachineEvent,
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<StreamContext>) => changes),
    noop: () => {},
  },
  guards: {
    /** A second crash during a catch-up: the catch-up is the likely cause. */
    crashedBefore: ({ context }) => context.crashes > 0,
    settled: ({ context }) => context.settled,
    mayCatchUp: ({ context }) => context.crashes < 2,
    alarmActive: ({ context }) => context.activeAlarm !== null,
    accessDeniedAlarmActive: ({ context }) => context.activeAlarm === 'stream-access-denied',
    gapLeft: ({ context, event }) =>
      context.gap !== null || (event.type === 'catchup.completed' && event.ambiguous.length > 0),
    failedOften: ({ context }) => context.failures + 1 === context.limits.catchUpAlarmAttempts,
  },
});

export const streamSelectors: Partial<Selectors> = {
  isStopped: ({ context }) => contextOf(context).upSince === null && contextOf(context).downSince === null,
  streamStatus: ({ context }) => contextOf(context),
};

function contextOf(context: HistorySnapshot['context']): StreamContext {
  return context as unknown as StreamContext;
}

/** Clears the alarm about the connection, with the target that it was raised with. */
export function clearDownAlarm(
  { activeAlarm, downSince, server, alarms }: StreamContext,
  at: number,
): Effect | null {
  if (activeAlarm === null) return null;
  const message = `connected again after ${formatLimit(at - (downSince ?? at))}; missed events are being looked up`;
  return cleared(activeAlarm, server, message, alarms);
}

export function clearCatchUpAlarm({ catchUpAlarmActive, server, alarms }: StreamContext): Effect | null {
  if (!catchUpAlarmActive) return null;
  return cleared('catch-up-failing', server, 'missed events have been looked up', alarms);
}

function cleared(kind: Alarm['kind'], target: string, message: string, alarms: number): Effect {
  const alarm = { kind, target, message, hint: '', cleared: true } as const;
  return { type: 'raiseAlarm', key: `alarm:${alarms + 1}`, alarm };
}
