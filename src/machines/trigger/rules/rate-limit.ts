/**
 * Limits the starts per hour, against a storm of rechecks or a looping program. A limit only delays: a delayed start
 * begins as soon as the limit allows it. Starts are counted by the time of their cause, so a catch-up after a long
 * downtime is not a storm. A start that a newer patchset superseded does not count.
 */
import type { Finding } from './rule-names.ts';

export const LIMIT_WINDOW_MS = 3_600_000;

/**
 * Maximum number of changes with a delayed start. A delayed start takes about 1 KB in memory and in the database, and
 * each is checked every few seconds. A site with the default limits starts this many in an hour.
 */
export const MAX_WAITING_CHANGES = 1_000;

/** Starts per hour. */
export interface StartLimits {
  readonly change: number;
  /** Per account. */
  readonly author: number;
  readonly project: number;
  readonly total: number;
}

/** Starts in the past hour. */
export type StartCounts = StartLimits;

export interface StartSubject {
  readonly project: string;
  readonly change: number;
  readonly by: string;
}

/** A start that counts towards the limits. */
export interface CountedStart extends StartSubject {
  readonly review: string;
  /** Epoch ms. */
  readonly at: number;
}

export function countsOf(
  starts: readonly CountedStart[],
  { project, change, by }: StartSubject,
): StartCounts {
  const ofProject = starts.filter((start) => start.project === project);
  return {
    change: ofProject.filter((start) => start.change === change).length,
    author: starts.filter((start) => start.by === by).length,
    project: ofProject.length,
    total: starts.length,
  };
}

/** The limit that delays a start, and its target: one alarm for each. */
export interface Delay extends Finding {
  readonly target: string;
}

/** The limit that is reached; null: none. */
export function exceeded(limits: StartLimits, counts: StartCounts, of: StartSubject): Delay | null {
  if (counts.change >= limits.change) {
    return found('limit-change', `change ${of.change}`, `change ${of.change} was started`, limits.change);
  }
  if (counts.author >= limits.author) {
    return found('limit-author', of.by, `${of.by} has started`, limits.author);
  }
  if (counts.project >= limits.project) {
    return found('limit-project', of.project, `changes of ${of.project} were started`, limits.project);
  }
  return counts.total >= limits.total
    ? found('limit-total', 'all', 'changes were started', limits.total)
    : null;
}

function found(rule: Finding['rule'], target: string, what: string, limit: number): Delay {
  return { rule, target, why: `${what} ${limit} times in the hour before` };
}
