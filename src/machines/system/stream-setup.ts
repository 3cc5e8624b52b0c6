/** What every state of stream@1 is written with: its context, guards, actions, and the texts of its alarms. */
import { assign, setup } from 'xstate';
import type { Alarm } from '../model/alarm.ts';
import { actionsFor, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import type { StreamEvent, StreamLimits } from '../protocol/events.ts';
import type { HistorySnapshot } from '../protocol/row.ts';
import type { Selectors } from '../protocol/version.ts';

/** What has to be looked at: everything since the position that is kept, or some changes only. */
export interface Gap {
  readonly everything: boolean;
  readonly changes: readonly number[];
  readonly why: string;
}

/** How the newest look at Gerrit's own account went. */
export interface CaughtUp {
  readonly at: number;
  readonly since: number;
  readonly changes: number;
  readonly found: number;
}

export interface StreamContext {
  readonly server: string;
  readonly limits: StreamLimits;
  /** Epoch ms; exactly one of both while a daemon listens. */
  readonly upSince: number | null;
  readonly downSince: number | null;
  /** Of the newest change of the connection, for people. */
  readonly why: string;
  readonly hint: string;
  /** Outages and looks so far; they make keys unique. */
  readonly outages: number;
  readonly catchUps: number;
  readonly alarms: number;
  /** What has to be looked at; null: nothing is known to be missing. */
  readonly gap: Gap | null;
  /** What is being looked at now. */
  readonly asked: Gap | null;
  /** Looks that failed in a row. */
  readonly failures: number;
  readonly caughtUp: CaughtUp | null;
  /** The second look after the connection was made is done. */
  readonly settled: boolean;
  /** What the operator was told of and has not ended yet. */
  readonly told: 'stream-down' | 'stream-access-denied' | null;
  /** The operator was told that what was missed cannot be looked up, and it has not been since. */
  readonly toldOfFailing: boolean;
  /** The daemon went down so often while it looked; twice, and it looks no more until an operator asks for it. */
  readonly crashes: number;
}

export type StreamMachineEvent = StreamEvent & StepMeta;

export interface StreamArgs {
  readonly context: StreamContext;
  readonly event: StreamMachineEvent;
}

export const { request, update, deadline } = actionsFor<StreamContext, StreamEvent>();

/** Counts an alarm; its key is the count. To be followed by `raise`. */
export const countAlarm = update(({ context }) => ({ alarms: context.alarms + 1 }));

/** The same for an alarm that the next look that works clears. */
export const countFailing = update(({ context }) => ({ alarms: context.alarms + 1, toldOfFailing: true }));

export function raise(
  kind: Alarm['kind'],
  say: (args: StreamArgs) => { readonly message: string; readonly hint: string },
) {
  return request((args) => ({
    type: 'raiseAlarm',
    key: `alarm:${args.context.alarms}`,
    alarm: { kind, target: args.context.server, ...say(args) },
  }));
}

/** Both gaps as one: what is looked at must hold all that either holds. */
export function both(one: Gap | null, other: Gap | null): Gap | null {
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
    /** More than once, and looking is what brings the daemon down. */
    crashedBefore: ({ context }) => context.crashes > 0,
    settled: ({ context }) => context.settled,
    mayLook: ({ context }) => context.crashes < 2,
    wasTold: ({ context }) => context.told !== null,
    toldOfRefusal: ({ context }) => context.told === 'stream-access-denied',
    moreToLookAt: ({ context, event }) =>
      context.gap !== null || (event.type === 'catchup.completed' && event.unsure.length > 0),
    failedOften: ({ context }) => context.failures + 1 === context.limits.catchUpAlarmAttempts,
  },
});

export const streamSelectors: Partial<Selectors> = {
  isStopped: ({ context }) => contextOf(context).upSince === null && contextOf(context).downSince === null,
  connectedSince: ({ context }) => contextOf(context).upSince,
};

function contextOf(context: HistorySnapshot['context']): StreamContext {
  return context as unknown as StreamContext;
}
