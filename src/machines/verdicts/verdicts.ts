/**
 * verdicts@1: the results of the runs on the patchsets of one change, and which review may post now. There is one
 * history per change, because the verdict on a patchset may count for later ones. Each admission and verdict is sent to
 * it in the same transaction, so a review that posts sees all of them, and the reviews of one change post one after the
 * other.
 */
import { assign, setup } from 'xstate';
import type { Patchset } from '../model/domain.ts';
import { actionsFor, assertFirstEvent, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import { once } from '../protocol/once.ts';
import type { Selectors } from '../protocol/version.ts';
import type { VerdictsEvent } from './verdict-events.ts';
import { isCounted, isResult, newestOf, type VoteRun } from './vote-rule.ts';

/** A run, and the history of its job. */
interface KeptRun extends VoteRun {
  readonly job: string;
}

export interface VerdictsContext {
  /** Admissions so far, which order the runs. */
  readonly admissions: number;
  readonly runs: readonly KeptRun[];
  /** Runs of patchsets up to this one may be missing; 0: none are. */
  readonly prunedUpTo: number;
  /** Reviews that have not ended. */
  readonly open: readonly string[];
  /** The review that may post; null: none is ready to. */
  readonly turn: string | null;
  /** Reviews that wait for their turn, in the order of their requests. */
  readonly waiting: readonly string[];
}

type VerdictsMachineEvent = VerdictsEvent & StepMeta;
interface VerdictsArgs {
  readonly context: VerdictsContext;
  readonly event: VerdictsMachineEvent;
}

/** Number of patchsets whose runs are kept. Without a limit, the rows of a long-lived change would grow forever. */
const PATCHSETS_KEPT = 20;
/** Number of runs that are kept: far more than the jobs of a configuration times the patchsets that matter. */
const RUNS_KEPT = 400;

const { request, update } = actionsFor<VerdictsContext, VerdictsEvent>();
const noop = { actions: 'noop' } as const;

/** The history's name. */
export function verdictsOf({ project, change }: Pick<Patchset, 'project' | 'change'>): string {
  return `verdicts:${project}~${change}`;
}

const verdictsSetup = setup({
  types: {
    context: {} as VerdictsContext,
    events: {} as VerdictsMachineEvent,
    input: {} as VerdictsMachineEvent,
    tags: {} as 'ended',
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<VerdictsContext>) => changes),
    noop: () => {},
  },
  guards: {
    someOpen: ({ context }) => context.open.length > 0,
    noneOpen: ({ context }) => context.open.length === 0,
  },
});

const config = {
  id: 'verdicts',
  context: ({ input }) => firstContext(input),
  initial: 'open',
  on: {
    'runs.admitted': { actions: update(({ context, event }) => admitted(context, event)) },
    'run.ended': { actions: update(({ context, event }) => ended(context, event)) },
    'turn.requested': {
      actions: [update(({ context, event }) => queued(context, event)), request(grantNow)],
    },
    'verdicts.requested': { actions: request(listVerdicts) },
    'review.ended': {
      actions: [request(grantNext), update(({ context, event }) => afterReviewEnd(context, event))],
    },
    // An error here blocks no review: each waits for the answer with a deadline, and casts no positive vote without it.
    'machine.failed': noop,
    'machine.quarantine-failed': noop,
    'daemon.crashed': noop,
  },
  states: {
    open: { always: { guard: 'noneOpen', target: 'idle' } },
    // The history ends and begins again; otherwise the histories of all inactive changes would stay in memory.
    idle: { tags: 'ended', always: { guard: 'someOpen', target: 'open' } },
  },
} satisfies Parameters<typeof verdictsSetup.createMachine>[0];

export const verdictsMachine = once(() => verdictsSetup.createMachine(config));

const EMPTY: VerdictsContext = {
  admissions: 0,
  runs: [],
  prunedUpTo: 0,
  open: [],
  turn: null,
  waiting: [],
};

function firstContext(opened: VerdictsMachineEvent): VerdictsContext {
  assertFirstEvent(opened);
  if (opened.type !== 'runs.admitted')
    throw new Error(`the verdicts of a change begin with runs.admitted, not ${opened.type}`);
  return { ...EMPTY, ...admitted(EMPTY, opened) };
}

function admitted(context: VerdictsContext, event: VerdictsEvent): Partial<VerdictsContext> {
  if (event.type !== 'runs.admitted') return {};
  const { review, patchset, branch, jobs } = event;
  const admissions = context.admissions + 1;
  const runs = jobs.map(({ job, name, voting }) => ({
    ...{ job, name, voting, review, patchset, branch, admitted: admissions },
    ...{ verdict: null, url: null, dependencies: '', readable: false },
  }));
  const open = [...context.open, review];
  return { admissions, open, ...pruned([...context.runs, ...runs], open, context.prunedUpTo) };
}

/** Keeps the first verdict of a run. */
function ended(context: VerdictsContext, event: VerdictsEvent): Partial<VerdictsContext> {
  if (event.type !== 'run.ended') return {};
  const { verdict, url, dependencies, readable } = event;
  const runs = context.runs.map((run) =>
    run.job === event.job && run.verdict === null ? { ...run, verdict, url, dependencies, readable } : run,
  );
  return pruned(runs, context.open, context.prunedUpTo);
}

function queued(context: VerdictsContext, event: VerdictsEvent): Partial<VerdictsContext> {
  if (event.type !== 'turn.requested') return {};
  const { review } = event;
  const open = context.open.includes(review) ? context.open : [...context.open, review];
  if (context.turn === null || context.turn === review) return { open, turn: review };
  return { open, waiting: [...context.waiting.filter((other) => other !== review), review] };
}

function grantNow({ context, event }: VerdictsArgs): Effect | null {
  return event.type === 'turn.requested' && context.turn === event.review ? grant(event.review) : null;
}

function grantNext({ context, event }: VerdictsArgs): Effect | null {
  if (event.type !== 'review.ended' || context.turn !== event.review) return null;
  const [next] = context.waiting.filter((other) => other !== event.review);
  return next === undefined ? null : grant(next);
}

function grant(review: string): Effect {
  return { type: 'sendEvent', to: review, event: { type: 'turn.granted' } };
}

function afterReviewEnd(context: VerdictsContext, event: VerdictsEvent): Partial<VerdictsContext> {
  if (event.type !== 'review.ended') return {};
  const open = context.open.filter((other) => other !== event.review);
  const waiting = context.waiting.filter((other) => other !== event.review);
  const after = { open, ...pruned(context.runs, open, context.prunedUpTo) };
  if (context.turn !== event.review) return { ...after, waiting };
  return { ...after, turn: waiting[0] ?? null, waiting: waiting.slice(1) };
}

/** Only the patchsets that may count, because the answer becomes a row of the review. */
function listVerdicts({ context, event }: VerdictsArgs): Effect | null {
  if (event.type !== 'verdicts.requested') return null;
  const { review, from, to } = event;
  const runs = context.runs
    .filter(({ patchset }) => patchset >= from && patchset <= to)
    .map(({ job: _, ...run }) => run);
  return {
    type: 'sendEvent',
    to: review,
    event: { type: 'verdicts.listed', runs, prunedUpTo: context.prunedUpTo },
  };
}

/** Keeps what can still count: unfinished runs, the runs of open reviews, and the newest runs of each job. */
function pruned(
  runs: readonly KeptRun[],
  open: readonly string[],
  known: number,
): Pick<VerdictsContext, 'runs' | 'prunedUpTo'> {
  const counting = runs.filter((run) => run.verdict === null || isCounted(run));
  const needed = counting.filter(
    (run) => run.verdict === null || open.includes(run.review) || isNewest(run, counting),
  );
  const patchsets = [...new Set(needed.map(({ patchset }) => patchset))].sort((a, b) => b - a);
  const recent = patchsets.slice(0, PATCHSETS_KEPT);
  const kept = needed.filter(({ patchset }) => recent.includes(patchset)).slice(-RUNS_KEPT);
  const lost = needed.filter((run) => !kept.includes(run)).map(({ patchset }) => patchset);
  return { runs: kept, prunedUpTo: Math.max(known, ...lost) };
}

function isNewest(run: KeptRun, runs: readonly KeptRun[]): boolean {
  const same = runs.filter(
    (other) =>
      other.name === run.name &&
      other.patchset === run.patchset &&
      other.branch === run.branch &&
      isCounted(other),
  );
  return newestOf(same) === run || newestOf(same.filter(isResult)) === run;
}

export const verdictsSelectors: Partial<Selectors> = {
  changeOf: ({ history }) => {
    const [, project = '', change = ''] = /^verdicts:(.*)~(\d+)$/s.exec(history) ?? [];
    return { project, change: Number(change) };
  },
  postingReview: ({ history, context }, change) =>
    history.endsWith(`~${change}`) ? (context as unknown as VerdictsContext).turn : null,
};
