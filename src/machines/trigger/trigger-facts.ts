/**
 * The input of the trigger besides the event and the rules. The daemon reads it from the store; `sos-ci explain` keeps
 * it in memory when it explains recorded events. Both use the same decision function.
 */

import type { RequiredVote } from '../model/domain.ts';
import type { ChangeName, GerritEvent } from '../model/gerrit-event.ts';
import type { Hash } from '../protocol/row.ts';
import { eventFingerprint, type SeenEvent } from './deduplication.ts';
import { type Novelty, noveltyOf } from './novelty.ts';
import { matchesAny } from './rules/glob.ts';
import { type CountedStart, LIMIT_WINDOW_MS } from './rules/rate-limit.ts';
import type { RuleName } from './rules/rule-names.ts';
import type { StartLookup } from './rules/trigger-key.ts';
import type { Decision, Start } from './trigger.ts';

/** One of our reviews on the same change that has not ended. */
export interface OpenReview {
  readonly id: string;
  readonly patchset: number;
  readonly branch: string;
  /**
   * Names of its jobs without a verdict. Empty: only the comment or vote is pending, and a new event is a response to
   * the results.
   */
  readonly jobs: readonly string[];
  /** True when any of its jobs has left the queue. */
  readonly begun?: boolean;
  /** The vote that it may still wait for. */
  readonly requiredVote?: RequiredVote | null;
}

/** A start that a limit delays. */
export interface WaitingStart {
  readonly start: Start;
  /** The limit, and its explanation. */
  readonly rule: RuleName;
  readonly why: string;
  /** Epoch ms. Kept when a newer patchset replaces the start, so that the change keeps its position in the queue. */
  readonly since: number;
}

export interface TriggerFacts {
  /** Epoch ms. */
  readonly now: number;
  /** The event's sequence number, which distinguishes equal comments. */
  readonly number: number;
  /** Open reviews of the change. */
  readonly open: readonly OpenReview[];
  /** The delayed start of the change. */
  readonly waiting: WaitingStart | null;
  /** Number of changes with a delayed start. */
  readonly waitingChanges: number;
  /** Number of jobs that have not ended. */
  readonly openJobs: number;
  /** Maximum number of open jobs. */
  readonly queueLength: number;
  /** Starts in the hour that ends at `until`. */
  readonly starts: (until: number) => readonly CountedStart[];
  readonly startResult: StartLookup;
  /** Novelty of the event. */
  readonly novelty: Novelty;
}

/** Simulates the facts: every review ends before the next event, and no event was seen before the first. */
export class SimulatedFacts {
  private starts: readonly CountedStart[] = [];
  /** The branch of each trigger's start. */
  private readonly triggers = new Map<string, string>();
  private readonly waiting = new Map<string, WaitingStart>();
  private readonly seen = new Map<number, readonly SeenEvent[]>();
  private readonly hash: Hash;
  private newest = 0;

  constructor(hash: Hash) {
    this.hash = hash;
  }

  /** Delayed starts, the longest wait first. */
  get waitingStarts(): readonly WaitingStart[] {
    return [...this.waiting.values()].sort((one, other) => one.since - other.since);
  }

  /** Records a stream event of our projects as seen. */
  see(event: GerritEvent, number: number, projects: readonly string[]): Novelty {
    if (!('patchset' in event) || !matchesAny(projects, event.patchset.project)) return { is: 'untracked' };
    const fingerprint = eventFingerprint(event, this.hash);
    const before = fingerprint === null ? [] : (this.seen.get(fingerprint.change) ?? []);
    const novelty = noveltyOf(event, fingerprint, before, true);
    // Only patchsets are recognized by earlier stream events.
    if (fingerprint?.kind === 'patchset' && novelty.is === 'new') {
      const seen = { ...fingerprint, number, streamed: true, hidden: novelty.hidden };
      this.seen.set(fingerprint.change, [...before, seen]);
    }
    return novelty;
  }

  /** @param at the time of the event; 0: unknown */
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
      startResult: (trigger, branch) => {
        const tested = this.triggers.get(trigger);
        if (tested === undefined) return 'nothing';
        return tested === branch ? 'test' : 'other';
      },
      novelty,
    };
  }

  /** Adds the decisions to the facts of later events. */
  apply(decisions: readonly Decision[], change: ChangeName | null): void {
    const key = change === null ? '' : keyOf(change);
    for (const decision of decisions) {
      if (decision.do === 'start') {
        this.waiting.delete(key);
        this.add(decision);
      }
      if (decision.do === 'drop') this.waiting.delete(key);
      if (decision.do === 'defer')
        this.waiting.set(key, waitingOf(decision, this.waiting.get(key), this.newest));
    }
  }

  private add({ patchset: { project, change, branch }, by, at, trigger }: Start): void {
    this.triggers.set(trigger, branch);
    // Events arrive roughly in order, so a start older than two windows no longer counts.
    const kept = this.starts.filter((start) => start.at > this.newest - 2 * LIMIT_WINDOW_MS);
    this.starts = [...kept, { review: trigger, project, change, by, at: at === 0 ? this.newest : at }];
  }
}

/** The delayed start after the decision. */
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
