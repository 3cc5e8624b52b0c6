/**
 * What a version of a machine answers about its histories. The engine, the store and the commands ask these questions
 * and never look at a state's name, so a later version may rename its states.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import type { HoldSpec, Patchset } from '../model/domain.ts';
import type { SlotHolder } from '../slot-queue.ts';
import type { Projection } from './projection.ts';
import type { HistorySnapshot } from './row.ts';

/** What the trigger and other reviews of the change need of a review. */
export interface ReviewSummary {
  readonly patchset: Patchset;
  /** Histories of its jobs. */
  readonly jobs: readonly string[];
  /** Names of the jobs whose verdict it still expects. */
  readonly expected: readonly string[];
  /** The vote that it waits for; null once it does not wait any more. */
  readonly hold: HoldSpec | null;
  /** Rejected because the change was work in progress or private. */
  readonly hidden: boolean;
  readonly withdrawn: boolean;
}

/** What a review does before its jobs may run, for people; `due`: how its timer relates to that. */
export interface Preparation {
  readonly text: string;
  readonly due: 'at' | 'until' | null;
}

/** Evidence that waits to be published. */
export interface PendingEvidence {
  readonly url: string;
  /** What counts against the limit; null once the publication is about to end. */
  readonly held: { readonly bytes: number; readonly since: number } | null;
}

/** Only open histories are asked, where nothing else is said. */
export interface Selectors {
  project(stored: HistorySnapshot): Projection;
  /** True for a history that ends; the others last as long as the database. */
  isWork(stored: HistorySnapshot): boolean;
  /** True for a history that a draining daemon waits for. */
  blocksDrain(stored: HistorySnapshot): boolean;
  /** True for a job that still waits for its slot. */
  isQueued(stored: HistorySnapshot): boolean;
  /** True for a job that starts nothing on a server any more. */
  isPastServer(stored: HistorySnapshot): boolean;
  /** What a job counts against while it holds a slot. */
  heldSlot(stored: HistorySnapshot): SlotHolder | null;
  /** The provider that a job was accepted for. */
  jobProvider(stored: HistorySnapshot): string | null;
  /** Also of a review that has ended. */
  summarizeReview(stored: HistorySnapshot): ReviewSummary | null;
  describePreparation(stored: HistorySnapshot): Preparation | null;
  /** True for a review of which at least one post was tried. */
  mayHavePosted(stored: HistorySnapshot): boolean;
  /** The timer that a review waits for before it posts again. */
  postRetryTimer(stored: HistorySnapshot): string | null;
  /** The review that may post on this change now. */
  postingReview(stored: HistorySnapshot, change: number): string | null;
  /** Also of a publication that has ended. */
  pendingEvidence(stored: HistorySnapshot): PendingEvidence | null;
  /** True for a stream that no daemon listens to, and for voting that was stopped. */
  isStopped(stored: HistorySnapshot): boolean;
  /** When the connection to Gerrit was made. */
  connectedSince(stored: HistorySnapshot): number | null;
}

export interface MachineVersion extends Selectors {
  readonly machine: AnyStateMachine;
}

const NONE: Selectors = {
  project: () => ({ kind: 'other' }),
  isWork: () => false,
  blocksDrain: () => false,
  isQueued: () => false,
  isPastServer: () => false,
  heldSlot: () => null,
  jobProvider: () => null,
  summarizeReview: () => null,
  describePreparation: () => null,
  mayHavePosted: () => false,
  postRetryTimer: () => null,
  postingReview: () => null,
  pendingEvidence: () => null,
  isStopped: () => false,
  connectedSince: () => null,
};

/** A version that answers some of the questions. */
export function defineVersion(machine: AnyStateMachine, selectors: Partial<Selectors> = {}): MachineVersion {
  return { ...NONE, ...selectors, machine };
}

const tags = new WeakMap<AnyStateMachine, Map<string, ReadonlySet<string>>>();

/** True when the state, dotted, or one around it has the tag. */
export function hasTag(machine: AnyStateMachine, state: string, tag: string): boolean {
  const known = tags.get(machine) ?? new Map<string, ReadonlySet<string>>();
  tags.set(machine, known);
  const found = known.get(state) ?? new Set(nodesOf(machine, state).flatMap((node) => node.tags));
  known.set(state, found);
  return found.has(tag);
}

/** What the innermost state that has a description says of itself. */
export function describeState(machine: AnyStateMachine, state: string): string {
  return (
    nodesOf(machine, state).findLast(({ description }) => description !== undefined)?.description ?? state
  );
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
