/**
 * The selectors of a machine version. The engine, the store and the commands use them and never compare the name of a
 * state, so a later version may rename its states.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import type { HoldTarget, OfferedServer } from '../hold/hold-events.ts';
import type { ChangeState, Login, Patchset, RequiredVote } from '../model/domain.ts';
import type { Environment } from '../model/environment.ts';
import type { CleaningCause, CleaningOutcome } from '../model/janitor.ts';
import type { SlotHolder } from '../slot-queue.ts';
import type { Counted, VoteReason } from '../verdicts/vote-rule.ts';
import type { Projection } from './projection.ts';
import type { HistorySnapshot } from './row.ts';

/** The facts of a review that the trigger and other reviews of the change need. */
export interface ReviewSummary {
  readonly patchset: Patchset;
  /** The histories of its jobs. */
  readonly jobs: readonly string[];
  /** Names of the jobs whose verdict it still expects. */
  readonly expected: readonly string[];
  /** The vote that it waits for; null once it no longer waits. */
  readonly requiredVote: RequiredVote | null;
  /** Rejected because the change was work in progress or private. */
  readonly hidden: boolean;
  readonly withdrawn: boolean;
}

/** What a review does before its jobs may run, as text; `due`: what its timer means. */
export interface Preparation {
  readonly text: string;
  readonly due: 'at' | 'until' | null;
}

/** Evidence that waits to be published. */
export interface PendingEvidence {
  readonly url: string;
  /** What counts towards the size limit; null once the publication is about to end. */
  readonly held: { readonly bytes: number; readonly since: number } | null;
}

/** What a review voted or would vote now, and why. */
export interface VoteSummary {
  /** Null: the configuration names no label. */
  readonly label: string | null;
  /** The value that was sent; null: none. */
  readonly sent: number | null;
  readonly isPosted: boolean;
  /** The patchset that the vote is on. */
  readonly patchset: number;
  /** What the comment says about the vote; empty until the vote is computed. */
  readonly lines: readonly string[];
  readonly changeStatus: ChangeState['status'];
  /** Null: the results do not count for the current patchset. */
  readonly reason: VoteReason | null;
  readonly counted: readonly Counted[];
  /** How the review ended; null while it is open. */
  readonly outcome: string | null;
}

/** The connection to Gerrit. */
export interface StreamStatus {
  readonly server: string;
  /** Epoch ms; exactly one of `upSince` and `downSince` is set while a daemon listens. */
  readonly upSince: number | null;
  readonly downSince: number | null;
  /** The reason of the newest change of the connection, for people. */
  readonly why: string;
  readonly hint: string;
  /** Outages so far. */
  readonly outages: number;
  /** Failed catch-ups in a row. */
  readonly failures: number;
  /** The result of the newest catch-up. */
  readonly caughtUp: {
    readonly at: number;
    readonly since: number;
    readonly changes: number;
    readonly found: number;
  } | null;
}

export interface VotingStatus {
  /** The changes that failed in a row, each once, oldest first. */
  readonly failed: readonly number[];
  /** When voting stopped; null while voting is allowed. */
  readonly stoppedAt: number | null;
}

/** A request to keep the server of a job, and the server once it is kept. Epoch ms. */
export interface HoldStatus {
  readonly hold: string;
  readonly target: HoldTarget;
  readonly by: string;
  readonly why: string;
  readonly requestedAt: number;
  /** `waiting`: for a job. `releasing`: the server is being deleted. */
  readonly phase: 'waiting' | 'held' | 'releasing' | 'ended';
  /** When the current phase ends by itself. */
  readonly until: number;
  /** Why it ended or is about to; null before. */
  readonly ending: string | null;
  /** Null: no job has handed over its server. */
  readonly held:
    | (Pick<OfferedServer, 'job' | 'name' | 'change' | 'patchset' | 'verdict' | 'server'> & {
        readonly since: number;
        /** Null: the server is not open for people yet, or could not be opened. */
        readonly login: Login | null;
        /** Why it could not be opened; '' otherwise. */
        readonly problem: string;
      })
    | null;
}

/** One cleaning of a janitor. Epoch ms. */
export interface CleaningStatus {
  readonly cleaning: string;
  /** The janitor's name. */
  readonly janitor: string;
  readonly backends: readonly string[];
  readonly cause: CleaningCause;
  /** `waiting`: for its back ends, or before another attempt. */
  readonly phase: 'waiting' | 'running' | 'stopping' | 'ended';
  /** Attempts that have begun. */
  readonly attempt: number;
  readonly requestedAt: number;
  /** When its newest attempt began; null: none has. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Null: it has not ended. */
  readonly outcome: CleaningOutcome | null;
  /** Why its newest attempt failed, or why it ended; '' for neither. */
  readonly reason: string;
}

/** Selectors are only called for open histories unless noted. */
export interface Selectors {
  /** Also called for a history that has ended. */
  project(stored: HistorySnapshot): Projection;
  /**
   * The review with which a history leaves the database: that of a job or a publication, and the review itself.
   * Also called for a history that has ended.
   */
  reviewOf(stored: HistorySnapshot): string | null;
  /** The change of a history that is needed as long as the change is open. Also called for one that has ended. */
  changeOf(stored: HistorySnapshot): Pick<Patchset, 'project' | 'change'> | null;
  /** True for a job or a review: a single run ends when none is open. */
  isWork(stored: HistorySnapshot): boolean;
  /** True for a history that a draining daemon waits for. */
  blocksDrain(stored: HistorySnapshot): boolean;
  /** True for a job that still waits for its slot. */
  isQueued(stored: HistorySnapshot): boolean;
  /** True for a job that starts nothing more on a server. */
  isPastServer(stored: HistorySnapshot): boolean;
  /**
   * What a job with a slot, a held server, or a janitor with its back ends counts against. Also called for a history
   * that has ended.
   */
  heldSlot(stored: HistorySnapshot): SlotHolder | null;
  /** True for a job that an operator promoted. */
  isPromoted(stored: HistorySnapshot): boolean;
  /**
   * The number of the newest attempt: of a job with a slot, of a review's post, of a publication or of a cleaning.
   * Also called for a history that has ended.
   */
  attempt(stored: HistorySnapshot): number | null;
  /** The last line that the failed stage of a job printed. Also called for a job that has ended. */
  lastLine(stored: HistorySnapshot): string | null;
  /** What a job ran on and with. Also called for a job that has ended. */
  environment(stored: HistorySnapshot): Environment | null;
  /** The provider that a job was accepted for. */
  jobProvider(stored: HistorySnapshot): string | null;
  /** Also called for a review that has ended. */
  summarizeReview(stored: HistorySnapshot): ReviewSummary | null;
  /** Also called for a review that has ended. */
  summarizeVote(stored: HistorySnapshot): VoteSummary | null;
  describePreparation(stored: HistorySnapshot): Preparation | null;
  /** True for a review with at least one post attempt. */
  mayHavePosted(stored: HistorySnapshot): boolean;
  /** The timer that a review waits for before it posts again. */
  postRetryTimer(stored: HistorySnapshot): string | null;
  /** The review that may post on this change now. */
  postingReview(stored: HistorySnapshot, change: number): string | null;
  /** Also called for a publication that has ended. */
  pendingEvidence(stored: HistorySnapshot): PendingEvidence | null;
  /** Also called for a hold that has ended. */
  holdStatus(stored: HistorySnapshot): HoldStatus | null;
  /** Also called for a cleaning that has ended. */
  cleaningStatus(stored: HistorySnapshot): CleaningStatus | null;
  /** The back ends that a job has used. Also called for a job that has ended. */
  usedBackends(stored: HistorySnapshot): readonly string[];
  /** True for a stream without a listening daemon, and for stopped voting. */
  isStopped(stored: HistorySnapshot): boolean;
  streamStatus(stored: HistorySnapshot): StreamStatus | null;
  votingStatus(stored: HistorySnapshot): VotingStatus | null;
}

export interface MachineVersion extends Selectors {
  readonly machine: AnyStateMachine;
}

const NONE: Selectors = {
  project: () => ({ kind: 'other' }),
  reviewOf: () => null,
  changeOf: () => null,
  isWork: () => false,
  blocksDrain: () => false,
  isQueued: () => false,
  isPastServer: () => false,
  heldSlot: () => null,
  isPromoted: () => false,
  attempt: () => null,
  lastLine: () => null,
  environment: () => null,
  jobProvider: () => null,
  summarizeReview: () => null,
  summarizeVote: () => null,
  describePreparation: () => null,
  mayHavePosted: () => false,
  postRetryTimer: () => null,
  postingReview: () => null,
  pendingEvidence: () => null,
  holdStatus: () => null,
  cleaningStatus: () => null,
  usedBackends: () => [],
  isStopped: () => false,
  streamStatus: () => null,
  votingStatus: () => null,
};

/** A machine version with the selectors that apply to it. */
export function defineVersion(
  machine: () => AnyStateMachine,
  selectors: Partial<Selectors> = {},
): MachineVersion {
  return {
    ...NONE,
    ...selectors,
    get machine() {
      return machine();
    },
  };
}

const tags = new WeakMap<AnyStateMachine, Map<string, ReadonlySet<string>>>();

/** True when the state (a dotted path) or one of its parents has the tag. */
export function hasTag(machine: AnyStateMachine, state: string, tag: string): boolean {
  const known = tags.get(machine) ?? new Map<string, ReadonlySet<string>>();
  tags.set(machine, known);
  const found = known.get(state) ?? new Set(nodesOf(machine, state).flatMap((node) => node.tags));
  known.set(state, found);
  return found.has(tag);
}

/** The description of the innermost state that has one. */
export function describeState(machine: AnyStateMachine, state: string): string {
  return (
    nodesOf(machine, state).findLast(({ description }) => description !== undefined)?.description ?? state
  );
}

/** A state of a machine and the states inside it, in the order of their definition. */
export interface StateTree {
  /** A dotted path; '' for the machine itself. */
  readonly path: string;
  readonly name: string;
  readonly states: readonly StateTree[];
}

export function stateTree({ root }: AnyStateMachine): StateTree {
  return treeOf(root, '');
}

function treeOf(node: AnyStateNode, path: string): StateTree {
  const states = Object.values(node.states).map((child) =>
    treeOf(child, path === '' ? child.key : `${path}.${child.key}`),
  );
  return { path, name: node.key, states };
}

function nodesOf(machine: AnyStateMachine, state: string): readonly AnyStateNode[] {
  const nodes: AnyStateNode[] = [machine.root];
  for (const name of state.split('.')) {
    const next = nodes.at(-1)?.states[name];
    if (next === undefined) break;
    nodes.push(next);
  }
  return nodes;
}
