/**
 * How much may be started in an hour, so that a storm of rechecks, or a program gone wild, is bounded. Starts are counted by the
 * time of what caused them, not of when we heard: what is caught up with after a long absence is no storm.
 */
import type { Finding } from './word.ts';

export const LIMIT_WINDOW_MS = 3_600_000;

/** Starts in an hour. */
export interface StartLimits {
  readonly change: number;
  /** By one account. */
  readonly author: number;
  readonly project: number;
  readonly all: number;
}

/** Starts in the hour before; counted by whoever keeps them. */
export type StartCounts = StartLimits;

export const NO_STARTS: StartCounts = { change: 0, author: 0, project: 0, all: 0 };

/** The limit that is reached; null: none. */
export function reached(
  limits: StartLimits,
  counts: StartCounts,
  of: { readonly change: number; readonly by: string; readonly project: string },
): (Finding & { readonly target: string }) | null {
  if (counts.change >= limits.change) {
    return found('limit-change', `change ${of.change}`, `change ${of.change} was started`, limits.change);
  }
  if (counts.author >= limits.author) {
    return found('limit-author', of.by, `${of.by} has started`, limits.author);
  }
  if (counts.project >= limits.project) {
    return found('limit-project', of.project, `changes of ${of.project} were started`, limits.project);
  }
  return counts.all >= limits.all ? found('limit-hour', 'all', 'changes were started', limits.all) : null;
}

function found(rule: Finding['rule'], target: string, what: string, limit: number) {
  return { rule, target, why: `${what} ${limit} times in the hour before` };
}
