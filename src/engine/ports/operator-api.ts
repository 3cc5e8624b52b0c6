/**
 * The requests of operators to a running daemon, and its answers. A transport (a socket) delivers the requests; the
 * engine answers. Plain JSON, because it crosses a process boundary.
 */

import type { HoldTarget } from '../../machines/hold/hold-events.ts';
import type { Resource } from '../../machines/model/domain.ts';

/** A job by its id, or every job of a change (of one patchset, or with null of any). */
export type Target = { readonly job: string } | { readonly change: number; readonly patchset: number | null };

export type OperatorRequest =
  /** Checks that the daemon runs. */
  | { readonly do: 'ping' }
  /**
   * Runs these jobs (empty: all of the project and branch) on a patchset (null: the current one), regardless of the
   * rules.
   */
  | {
      readonly do: 'enqueue';
      readonly jobs: readonly string[];
      readonly change: number;
      readonly patchset: number | null;
    }
  /** Ends these jobs, queued or running; nothing is posted for a review whose jobs are all ended. */
  | { readonly do: 'dequeue'; readonly target: Target }
  /** Moves these to the head of the queue, in this order. */
  | { readonly do: 'promote'; readonly targets: readonly Target[] }
  /** Keeps the server of a job for debugging: of the next failure of a change, or of this job however it ends. */
  | { readonly do: 'hold'; readonly target: HoldTarget; readonly durationMs: number }
  /** Ends a hold, or all holds of a change: their servers are deleted. */
  | { readonly do: 'release'; readonly target: { readonly hold: string } | { readonly change: number } }
  /** Acts like a recheck comment to this CI on the change. */
  | { readonly do: 'recheck'; readonly change: number }
  | { readonly do: 'resume-voting' }
  /** Marks this alarm as acknowledged; null: all alarms. */
  | { readonly do: 'acknowledge'; readonly alarm: { readonly kind: string; readonly target: string } | null }
  /** Reloads the configuration. */
  | { readonly do: 'reload' }
  /** Lets a janitor clean as soon as no job uses its back ends. */
  | { readonly do: 'clean'; readonly janitor: string }
  /** Lists what has our mark but no owner that lives. Changes nothing. */
  | { readonly do: 'leaks' }
  /** Removes it, or with `dryRun` says what would be removed. */
  | { readonly do: 'gc'; readonly dryRun: boolean };

/** Who makes the request, and why; the log records both. */
export interface Operator {
  readonly who: string;
  readonly why: string;
}

export interface JobName {
  readonly id: string;
  readonly name: string;
}

/** A job and its state at the time of the request. */
export interface JobReference extends JobName {
  readonly state: string;
  readonly change: number;
  readonly patchset: number;
}

export interface StartedReview {
  readonly change: number;
  readonly patchset: number;
  readonly review: string;
  readonly jobs: readonly JobName[];
}

/** The answer to each request. */
export interface OperatorAnswers {
  readonly ping: { readonly pid: number; readonly version: string };
  readonly enqueue: StartedReview;
  readonly dequeue: { readonly jobs: readonly JobReference[]; readonly reviews: readonly string[] };
  readonly promote: {
    readonly promoted: readonly JobReference[];
    readonly notWaiting: readonly JobReference[];
  };
  /** The jobs that the hold applies to now. */
  readonly hold: { readonly hold: string; readonly jobs: readonly JobReference[] };
  /** `server`: the name of the server that is deleted now; null: there was none. */
  readonly release: {
    readonly released: readonly { readonly hold: string; readonly server: string | null }[];
  };
  readonly recheck: { readonly begun: readonly StartedReview[]; readonly decisions: readonly string[] };
  readonly 'resume-voting': { readonly resumed: boolean };
  readonly acknowledge: { readonly acknowledged: number };
  readonly reload: ReloadResult;
  readonly clean: { readonly cleaning: string; readonly backends: readonly string[] };
  readonly leaks: LeakReport;
  readonly gc: LeakReport;
}

/** A resource with our mark whose owner does not live. */
export interface LeakView extends Resource {
  /** Null: this host. */
  readonly provider: string | null;
  /** The name that all resources of one server share; null for evidence. */
  readonly name: string | null;
  readonly job: string;
  /** Epoch ms, as the provider says; null: unknown. */
  readonly createdAt: number | null;
  /** Null: the job is unknown. */
  readonly jobEndedAt: number | null;
  readonly firstSeenAt: number;
  readonly state: LeakState;
  /** Why the last attempt to remove it failed; '' if none did. */
  readonly why: string;
}

/**
 * `first-seen`: it is removed when the next search finds it too. `agreed`: two searches have found it. `remove-failed`:
 * it is still there after an attempt. `unknown-job`: it is kept. `removed`: gc removed it.
 */
export type LeakState = 'first-seen' | 'agreed' | 'remove-failed' | 'unknown-job' | 'removed';

export interface LeakReport {
  /** At most `MAX_LEAKS_REPORTED`, ordered by `firstSeenAt`. */
  readonly leaks: readonly LeakView[];
  /** How many more there are. */
  readonly omitted: number;
  /** Providers, or `evidence` on this host, that could not be listed: what they have is unknown. */
  readonly unlisted: readonly Unlisted[];
}

export interface Unlisted {
  readonly part: string;
  readonly why: string;
  readonly hint: string;
}

export interface ReloadResult {
  /** Changed keys that take effect immediately, as dotted keys. */
  readonly changed: readonly string[];
  /** Changed keys that take effect after the next start. */
  readonly restart: readonly string[];
  /** Errors, each with file and line; when there are any, nothing changed. */
  readonly problems: readonly string[];
}

export type AnswerTo<R extends OperatorRequest> = OperatorAnswers[R['do']];

export interface Operators {
  /**
   * Resolves when the request is durable.
   * @throws Refused; OperationError when an outside query failed
   */
  perform(request: OperatorRequest, operator: Operator): Promise<OperatorAnswers[OperatorRequest['do']]>;
}

/** A request that cannot be fulfilled: its target does not exist, or it is not possible in the current state. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly kind: 'unknown' | 'refused';
  readonly hint: string;

  constructor(kind: Refused['kind'], message: string, hint: string) {
    super(message);
    this.kind = kind;
    this.hint = hint;
  }
}
