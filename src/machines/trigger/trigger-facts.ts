/**
 * What the trigger must know besides the event and the rules. The daemon reads it from the store; a rehearsal, which only explains
 * events, keeps it in memory. The decision is the same function for both.
 */

import type { HoldSpec } from '../model/domain.ts';
import type { ChangeName, GerritEvent } from '../model/gerrit-event.ts';
import type { Hash } from '../protocol/row.ts';
import { fingerprint, type SeenEvent } from './deduplication.ts';
import { type Novelty, noveltyOf } from './novelty.ts';
import { matchesAny } from './rules/glob.ts';
import { type CountedStart, LIMIT_WINDOW_MS } from './rules/rate-limit.ts';
import type { RuleWord } from './rules/rule-names.ts';
import type { BeganBy } from './rules/trigger-key.ts';
import type { Decision, Start } from './trigger.ts';

/** A review of ours on the same change that has not ended. */
export interface OpenReview {
  readonly id: string;
  readonly patchset: number;
  readonly branch: string;
  /**
   * Names of its jobs that have no verdict yet. Empty: only its comment or vote is on the way, and people answer to that already.
   */
  readonly jobs: readonly string[];
  /** True when any of its jobs has left the queue. */
  readonly begun?: boolean;
  /** The vote that it may still wait for. */
  readonly hold?: HoldSpec | null;
}

/** A start that a limit holds back. */
export interface WaitingStart {
  readonly start: Start;
  /** The limit, and what it says. */
  readonly rule: RuleWord;
  readonly why: string;
  /** Epoch ms. Kept when a newer patchset takes the place: the change keeps its place among those that wait. */
  readonly since: number;
}

export interface TriggerFacts {
  /** Epoch ms. */
  readonly now: number;
  /** Of the event among all that were seen: distinguishes equal comments. */
  readonly number: number;
  /** Of the change. */
  readonly open: readonly OpenReview[];
  /** Of the change. */
  readonly waiting: WaitingStart | null;
  /** Changes with a start that waits, in all. */
  readonly waitingChanges: number;
  /** Jobs that have not ended, in all. */
  readonly openJobs: number;
  /** Jobs that may be open at the same time. */
  readonly queueLength: number;
  /** Starts in the hour that ends at `until`. */
  readonly starts: (until: number) => readonly CountedStart[];
  readonly began: BeganBy;
  /** Of the event. */
  readonly novelty: Novelty;
}

/** Facts as if every review ended before the next event, and nothing was known before the first. */
export class Rehearsal {
  private starts: readonly CountedStart[] = [];
  /** The branch that each has started on. */
  private readonly triggers = new Map<string, string>();
  private readonly waiting = new Map<string, WaitingStart>();
  private readonly seen = new Map<number, readonly SeenEvent[]>();
  private readonly hash: Hash;
  private newest = 0;

  constructor(hash: Hash) {
    this.hash = hash;
  }

  /** Changes whose start waits, the longest first. */
  get waitingStarts(): readonly WaitingStart[] {
    return [...this.waiting.values()].sort((one, other) => one.since - other.since);
  }

  /** What the stream tells of our projects counts as seen from now on. */
  see(event: GerritEvent, number: number, projects: readonly string[]): Novelty {
    if (!('patchset' in event) || !matchesAny(projects, event.patchset.project)) return { is: 'untracked' };
    const sighting = fingerprint(event, this.hash);
    const before = sighting === null ? [] : (this.seen.get(sighting.change) ?? []);
    const novelty = noveltyOf(event, sighting, before, true);
    // Only a patchset is known again by what the stream told.
    if (sighting?.kind === 'patchset' && novelty.is === 'new') {
      const seen = { ...sighting, number, streamed: true, hidden: novelty.hidden };
      this.seen.set(sighting.change, [...before, seen]);
    }
    return novelty;
  }

  /** @param at the time of the event; 0: not told */
  facts(
    at: number,
    number: number,
    change: ChangeName | null,
    novelty: Novelty = { is: 'untracked' },
  ): TriggerFacts {
    this.newest = Math.max(this.newest, at);
    const key = change === null ? '' : keyOf(change);
    return {
      now: this.newest,
      number,
      open: [],
      waiting: this.waiting.get(key) ?? null,
      waitingChanges: this.waiting.size,
      openJobs: 0,
      queueLength: Number.POSITIVE_INFINITY,
      starts: (until) =>
        this.starts.filter((start) => start.at > until - LIMIT_WINDOW_MS && start.at <= until),
      began: (trigger, branch) => {
        const tested = this.triggers.get(trigger);
        if (tested === undefined) return 'nothing';
        return tested === branch ? 'test' : 'other';
      },
      novelty,
    };
  }

  /** What was decided counts from now on. */
  apply(decisions: readonly Decision[], change: ChangeName | null): void {
    const key = change === null ? '' : keyOf(change);
    for (const decision of decisions) {
      if (decision.do === 'start') {
        this.waiting.delete(key);
        this.add(decision);
      }
      if (decision.do === 'forget') this.waiting.delete(key);
      if (decision.do === 'defer')
        this.waiting.set(key, waitingOf(decision, this.waiting.get(key), this.newest));
    }
  }

  private add({ patchset: { project, change, branch }, by, at, trigger }: Start): void {
    this.triggers.set(trigger, branch);
    // A start older than two windows can hardly count again: events come about in their order.
    const kept = this.starts.filter((start) => start.at > this.newest - 2 * LIMIT_WINDOW_MS);
    this.starts = [...kept, { review: trigger, project, change, by, at: at === 0 ? this.newest : at }];
  }
}

/** What waits from now on. */
export function waitingOf(
  { start, rule, why }: Extract<Decision, { do: 'defer' }>,
  before: WaitingStart | null | undefined,
  now: number,
): WaitingStart {
  return { start, rule, why, since: before?.since ?? now };
}

function keyOf({ project, change }: ChangeName): string {
  return `${project}~${change}`;
}
