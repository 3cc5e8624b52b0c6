/**
 * What operators may ask of a running daemon, and what it answers. Whoever carries the questions (a socket) pushes, the
 * engine answers. Plain JSON: it crosses a process boundary.
 */

/** A job by its id, or every job of a change (of one patchset of it, or of whichever is there). */
export type Target = { readonly job: string } | { readonly change: number; readonly patchset: number | null };

export type OperatorRequest =
  /** Is it there? */
  | { readonly do: 'ping' }
  /** Run these jobs (none named: all of the project and branch) on a patchset (null: the current one), whatever the rules say. */
  | {
      readonly do: 'enqueue';
      readonly jobs: readonly string[];
      readonly change: number;
      readonly patchset: number | null;
    }
  /** End these, queued or running; nothing is posted for what is ended whole. */
  | { readonly do: 'dequeue'; readonly target: Target }
  /** To the head of the queue, the first before the second. */
  | { readonly do: 'promote'; readonly targets: readonly Target[] }
  /** As if somebody had asked this CI to run on the change. */
  | { readonly do: 'recheck'; readonly change: number }
  | { readonly do: 'resume-voting' }
  /** This alarm was seen; null: all were. */
  | { readonly do: 'acknowledge'; readonly alarm: { readonly kind: string; readonly target: string } | null }
  /** Read the configuration again. */
  | { readonly do: 'reload' };

/** Who asks and why; both stand in the log. */
export interface Operator {
  readonly who: string;
  readonly why: string;
}

export interface JobName {
  readonly id: string;
  readonly name: string;
}

/** A job and where it was when it was asked about. */
export interface JobPlace extends JobName {
  readonly state: string;
  readonly change: number;
  readonly patchset: number;
}

export interface Begun {
  readonly change: number;
  readonly patchset: number;
  readonly review: string;
  readonly jobs: readonly JobName[];
}

/** What is answered, by what was asked. */
export interface OperatorAnswers {
  readonly ping: { readonly pid: number; readonly version: string };
  readonly enqueue: Begun;
  readonly dequeue: { readonly jobs: readonly JobPlace[]; readonly reviews: readonly string[] };
  readonly promote: { readonly promoted: readonly JobPlace[]; readonly passed: readonly JobPlace[] };
  readonly recheck: { readonly begun: readonly Begun[]; readonly decisions: readonly string[] };
  readonly 'resume-voting': { readonly resumed: boolean };
  readonly acknowledge: { readonly acknowledged: number };
  readonly reload: ReloadAnswer;
}

export interface ReloadAnswer {
  /** What changed and counts from now on, as dotted keys. */
  readonly changed: readonly string[];
  /** What changed and counts after the next start. */
  readonly restart: readonly string[];
  /** Mistakes, each with file and line: then nothing changed. */
  readonly problems: readonly string[];
}

export type AnswerTo<R extends OperatorRequest> = OperatorAnswers[R['do']];

export interface Operators {
  /**
   * Resolves when what was asked for is in the log.
   * @throws Refused, OperationError when the outside could not be asked
   */
  perform(request: OperatorRequest, operator: Operator): Promise<OperatorAnswers[OperatorRequest['do']]>;
}

/** An operator's wish that cannot be fulfilled: it names nothing that is there, or is not possible now. */
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
