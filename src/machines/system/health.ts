/**
 * vigil@1: what an operator must hear of before it does harm: a disk that runs full, a write-ahead log that nobody empties,
 * a CI that reports nothing while others do. Each is told once, and once more when it is over. One history for all daemons
 * of a database; whoever looks tells it only of looks that show something new, so it holds no more rows than that.
 */
import { assign, setup } from 'xstate';
import type { Alarm } from '../model/alarm.ts';
import type { VigilLimits } from '../model/health-snapshot.ts';
import { assertInput, type Told, wordsOf } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import type { VigilEvent } from '../protocol/events.ts';
import { noticedIn, type Trouble } from './health-checks.ts';

/** The history's name. */
export const VIGIL = 'vigil';

export interface VigilContext {
  readonly limits: VigilLimits;
  /** What was told and is not over, oldest first. */
  readonly troubles: readonly Trouble[];
  /** Alarms so far, the ends of them too: makes their keys unique. */
  readonly alarms: number;
}

type VigilMachineEvent = VigilEvent & Told;
interface VigilArgs {
  readonly context: VigilContext;
  readonly event: VigilMachineEvent;
}

const { request, change } = wordsOf<VigilContext, VigilEvent>();
const noted = { actions: 'noted' } as const;

const vigilSetup = setup({
  types: {
    context: {} as VigilContext,
    events: {} as VigilMachineEvent,
    input: {} as VigilMachineEvent,
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    keep: assign((_, changes: Partial<VigilContext>) => changes),
    noted: () => {},
  },
  guards: {
    troubled: ({ context }) => context.troubles.length > 0,
  },
});

export const vigilMachine = vigilSetup.createMachine({
  id: 'vigil',
  context: ({ input }) => firstContext(input),
  initial: 'judging',
  on: {
    'vigil.opened': { actions: change(({ event }) => limitsOf(event)) },
    'vigil.noticed': { target: '.judging', actions: [request(alarmsOf), change(troublesOf)] },
    'alarm.raised': noted,
    'alarms.acknowledged': noted,
    // The next look tells it again.
    'machine.failed': noted,
    'daemon.crashed': noted,
  },
  states: {
    judging: { always: [{ guard: 'troubled', target: 'troubled' }, { target: 'calm' }] },
    calm: {},
    troubled: {},
  },
});

function firstContext(opened: VigilMachineEvent): VigilContext {
  assertInput(opened);
  if (opened.type !== 'vigil.opened') throw new Error(`a vigil begins with vigil.opened, not ${opened.type}`);
  return { limits: opened.limits, troubles: [], alarms: 0 };
}

function limitsOf(event: VigilMachineEvent): Partial<VigilContext> {
  return event.type === 'vigil.opened' ? { limits: event.limits } : {};
}

function alarmsOf({ context, event }: VigilArgs): readonly Effect[] {
  if (event.type !== 'vigil.noticed') return [];
  const { begun, over } = noticedIn(event.sight, context.limits, context.troubles);
  const alarms: readonly Alarm[] = [
    ...over.map(
      ({ kind, target, well }): Alarm => ({ kind, target, message: well, hint: '', cleared: true }),
    ),
    ...begun.map(({ kind, target, message, hint }): Alarm => ({ kind, target, message, hint })),
  ];
  return alarms.map((alarm, index) => {
    return { type: 'raiseAlarm', key: `alarm:${context.alarms + index + 1}`, alarm };
  });
}

function troublesOf({ context, event }: VigilArgs): Partial<VigilContext> {
  if (event.type !== 'vigil.noticed') return {};
  const { begun, over } = noticedIn(event.sight, context.limits, context.troubles);
  const ended = new Set(over.map(({ topic }) => topic));
  return {
    troubles: [
      ...context.troubles.filter(({ topic }) => !ended.has(topic)),
      ...begun.map((trouble) => ({ ...trouble, since: event.at })),
    ],
    alarms: context.alarms + begun.length + over.length,
  };
}
