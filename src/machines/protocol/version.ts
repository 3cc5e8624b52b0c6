/**
 * The selectors of a machine version. The engine, the store and the commands use them and never compare the name of a
 * state, so a later version may rename its states.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import type { HoldSpec, Patchset } from '../model/domain.ts';
import type { SlotHolder } from '../slot-queue.ts';
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
  readonly hold: HoldSpec | null;
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

/** Selectors are only called for open histories unless noted. */
export interface Selectors {
  project(stored: HistorySnapshot): Projection;
  /** True for a history that ends; the others exist as long as the database. */
  isWork(stored: HistorySnapshot): boolean;
  /** True for a history that a draining daemon waits for. */
  blocksDrain(stored: HistorySnapshot): boolean;
  /** True for a job that still waits for its slot. */
  isQueued(stored: HistorySnapshot): boolean;
  /** True for a job that starts nothing more on a server. */
  isPastServer(stored: HistorySnapshot): boolean;
  /** What a job counts against while it holds a slot. */
  heldSlot(stored: HistorySnapshot): SlotHolder | null;
  /** The provider that a job was accepted for. */
  jobProvider(stored: HistorySnapshot): string | null;
  /** Also called for a review that has ended. */
  summarizeReview(stored: HistorySnapshot): ReviewSummary | null;
  describePreparation(stored: HistorySnapshot): Preparation | null;
  /** True for a review with at least one post attempt. */
  mayHavePosted(stored: HistorySnapshot): boolean;
  /** The timer that a review waits for before it posts again. */
  postRetryTimer(stored: HistorySnapshot): string | null;
  /** The review that may post on this change now. */
  postingReview(stored: HistorySnapshot, change: number): string | null;
  /** Also called for a publication that has ended. */
  pendingEvidence(stored: HistorySnapshot): PendingEvidence | null;
  /** True for a stream without a listening daemon, and for stopped voting. */
  isStopped(stored: HistorySnapshot): boolean;
  /** When the connection to Gerrit was established. */
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

/** A machine version with the selectors that apply to it. */
export function defineVersion(machine: AnyStateMachine, selectors: Partial<Selectors> = {}): MachineVersion {
  return { ...NONE, ...selectors, machine };
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

function nodesOf(machine: AnyStateMachine, state: string): readonly AnyStateNode[] {
  const nodes: AnyStateNode[] = [machine.root];
  for (const name of state.split('.')) {
    const next = nodes.at(-1)?.states[name];
    if (next === undefined) break;
    nodes.push(next);
  }
  return nodes;
}
