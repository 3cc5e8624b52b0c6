/**
 * voting@1: whether this CI may vote. Counts the changes in a row on which our tests did not succeed, because a CI that
 * fails everything is probably broken. At the limit it stops voting until an operator resumes voting. One history
 * per database; it never ends. A review requests permission before it posts, and is answered in the same transaction.
 */
import { assign, setup } from 'xstate';
import { actionsFor, assertFirstEvent, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import type { VotingEvent } from '../protocol/events.ts';
import { once } from '../protocol/once.ts';
import type { HistorySnapshot } from '../protocol/row.ts';
import type { Selectors, VotingStatus } from '../protocol/version.ts';

/** The history's name. */
export const VOTING = 'voting';

export interface VotingContext extends VotingStatus {
  /** How many times voting has stopped; makes the keys of its alarms unique. */
  readonly stops: number;
}

type VotingMachineEvent = VotingEvent & StepMeta;
interface VotingArgs {
  readonly context: VotingContext;
  readonly event: VotingMachineEvent;
}

/** Maximum number of remembered changes, whatever limit a review sends. */
const FAILURES_KEPT = 1000;
/** Maximum number of changes that an alarm names. */
const CHANGES_NAMED = 5;

const { request, update } = actionsFor<VotingContext, VotingEvent>();
const noop = { actions: 'noop' } as const;

const votingSetup = setup({
  types: {
    context: {} as VotingContext,
    events: {} as VotingMachineEvent,
    input: {} as VotingMachineEvent,
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<VotingContext>) => changes),
    noop: () => {},
  },
  guards: {
    tooMany: ({ context, event }) =>
      event.type === 'vote.requested' && failedAfter(context, event).length >= event.stopAfter,
  },
});

const count = update(({ context, event }) =>
  event.type === 'vote.requested' ? { failed: failedAfter(context, event) } : {},
);

const config = {
  id: 'voting',
  context: ({ input }) => firstContext(input),
  initial: 'allowed',
  on: {
    'alarm.raised': noop,
    // An error here blocks no review: a review waits for the answer with a deadline.
    'machine.failed': noop,
    'daemon.crashed': noop,
    'voting.opened': noop,
  },
  states: {
    allowed: {
      on: {
        'vote.requested': [
          {
            guard: 'tooMany',
            target: 'stopped',
            actions: [
              count,
              update(({ context, event }) => ({ stops: context.stops + 1, stoppedAt: event.at })),
              request(withhold),
              request(stoppedAlarm),
            ],
          },
          { actions: [count, request(allow)] },
        ],
        'voting.resumed': { actions: update(() => ({ failed: [] })) },
      },
    },
    stopped: {
      on: {
        'vote.requested': { actions: [count, request(withhold)] },
        'voting.resumed': {
          target: 'allowed',
          actions: [request(resumedAlarm), update(() => ({ failed: [], stoppedAt: null }))],
        },
      },
    },
  },
} satisfies Parameters<typeof votingSetup.createMachine>[0];

export const votingMachine = once(() => votingSetup.createMachine(config));

function firstContext(opened: VotingMachineEvent): VotingContext {
  assertFirstEvent(opened);
  if (opened.type !== 'voting.opened')
    throw new Error(`the history of voting begins with voting.opened, not ${opened.type}`);
  return { failed: [], stoppedAt: null, stops: 0 };
}

/** Repeated failures of one change count once. */
function failedAfter(
  { failed }: VotingContext,
  event: Extract<VotingEvent, { type: 'vote.requested' }>,
): readonly number[] {
  if (event.judgement === 'success') return [];
  if (event.judgement === 'neither' || failed.includes(event.change)) return failed;
  return [...failed, event.change].slice(-FAILURES_KEPT);
}

function allow({ event }: VotingArgs): Effect | null {
  if (event.type !== 'vote.requested') return null;
  return { type: 'sendEvent', to: event.review, event: { type: 'vote.allowed' } };
}

function withhold({ event }: VotingArgs): Effect | null {
  if (event.type !== 'vote.requested') return null;
  const why = 'voting stopped after failures on too many changes in a row';
  return { type: 'sendEvent', to: event.review, event: { type: 'vote.withheld', why } };
}

function stoppedAlarm({ context }: VotingArgs): Effect {
  const newest = context.failed.slice(-CHANGES_NAMED).join(', ');
  return {
    type: 'raiseAlarm',
    key: `alarm:stopped:${context.stops}`,
    alarm: {
      kind: 'voting-stopped',
      target: 'voting',
      message: `none of the last ${context.failed.length} changes succeeded (${newest}): sos-ci no longer votes`,
      hint: 'check whether this CI is broken: sos-ci jobs. After fixing it: sos-ci resume-voting',
    },
  };
}

function resumedAlarm({ context, event }: VotingArgs): Effect {
  const by = event.type === 'voting.resumed' ? event.by : 'an operator';
  return {
    type: 'raiseAlarm',
    key: `alarm:resumed:${context.stops}`,
    alarm: {
      kind: 'voting-stopped',
      target: 'voting',
      message: `voting was resumed by ${by}`,
      hint: '',
      cleared: true,
    },
  };
}

export const votingSelectors: Partial<Selectors> = {
  isStopped: ({ context }) => contextOf(context).stoppedAt !== null,
  votingStatus: ({ context }) => contextOf(context),
};

function contextOf(context: HistorySnapshot['context']): VotingContext {
  return context as unknown as VotingContext;
}
