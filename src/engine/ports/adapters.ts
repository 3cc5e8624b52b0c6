/**
 * The engine's ports to the outside. The comments on these interfaces are contracts: adapters and the named fakes in
 * test/fakes fulfil them, and test/contracts has one suite for each. All fallible calls reject with OperationError; any
 * other error is a programmer's error.
 */

import { OperationError, type OperationErrorFields } from '../../errors.ts';
import type { Alarm } from '../../machines/model/alarm.ts';
import type {
  EvidencePart,
  Login,
  MergedTree,
  Ownership,
  ResolvedChange,
  Resource,
  ResultsSpec,
  ResultsSummary,
  Server,
  Stage,
  StageEnd,
} from '../../machines/model/domain.ts';
import type { ServerFacts, StageFacts } from '../../machines/model/environment.ts';
import type { CurrentChange } from '../../machines/model/gerrit-event.ts';
import type { HealthSnapshot } from '../../machines/model/health-snapshot.ts';
import type { JanitorRun } from '../../machines/model/janitor.ts';
import type { TestResult } from '../../machines/model/test-result.ts';
import type { KeyedEffect, StageRun } from '../../machines/protocol/effects.ts';
import type { ActiveJob, PatchsetKind } from '../../machines/verdicts/vote-rule.ts';
import type { Expiry } from './publisher.ts';
import type { TestsRead } from './test-history.ts';

export type EffectOf<T extends KeyedEffect['type']> = Extract<KeyedEffect, { type: T }>;

/** The engine's only source of time. */
export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): number;
  /** Monotonic, ms since an arbitrary start: for durations inside one process. */
  monotonic(): number;
  /** Calls `due` once after `delayMs` of monotonic time (any length). The returned function cancels it. */
  after(delayMs: number, due: () => void): () => void;
}

/**
 * Creates, lists and deletes servers. A call whose signal aborts rejects soon and leaves nothing running on this host.
 */
export interface Provider {
  readonly name: string;
  /** Number of servers that may exist at the same time. */
  readonly slots: number;
  /**
   * Creates one server, which carries `owner` from the first moment of its existence. Not necessarily idempotent: after
   * a restart the engine lists the owner's servers first.
   */
  create(request: EffectOf<'createServer'>, signal: AbortSignal): Promise<Server>;
  /** All servers that carry this deployment's id (and belong to this job, when given), oldest first. */
  list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]>;
  /**
   * Ends every process of the server and removes it. Not found is success. Refuses a server that does not carry
   * `deployment`.
   */
  delete(server: Server, deployment: string, signal: AbortSignal): Promise<void>;
  /**
   * Why the server can run nothing any more, as the end of a sentence that begins with "the server": `was deleted`.
   * Null while it exists. Rejects unless the provider knows for certain. Removes what this host keeps of a server that
   * is gone, such as its host key.
   */
  whyGone(server: Server, signal: AbortSignal): Promise<string | null>;
  /** What the server is: for people, so nothing depends on it. Unknown parts are null. */
  describe(server: Server, signal: AbortSignal): Promise<ServerFacts>;
  /**
   * Opens the server for people: ends the processes of the job's stages there, removes the job's secret files, and
   * returns how a person logs in. Everything else stays. A repeated call is success.
   */
  open(server: Server, signal: AbortSignal): Promise<Login>;
}

export interface ListedResource extends Resource {
  /** Epoch ms; null: the provider does not tell. */
  readonly createdAt: number | null;
}

export interface OwnedServer {
  readonly server: Server;
  readonly owner: Ownership;
  /** What exists of it, and is deleted with it; absent: the server alone. */
  readonly resources?: readonly ListedResource[];
  /** It was never handed out, or only parts of it exist: it can be deleted, not used. */
  readonly unfinished?: true;
}

/** Queries Gerrit for the current state of a change. */
export interface Changes {
  /** @throws OperationError, retryable also when Gerrit does not show yet a patchset that its stream has reported */
  lookUp(request: EffectOf<'lookUpChange'>, signal: AbortSignal): Promise<ResolvedChange>;
}

/** The result of a merge. */
export type MergeOutcome =
  | { readonly merged: true; readonly trees: readonly MergedTree[] }
  | {
      readonly merged: false;
      readonly project: string;
      readonly change: number;
      readonly branch: string;
      readonly files: readonly string[];
    };

/**
 * Merges a patchset and its dependencies onto the tips of their branches, on this host, in bare repositories. Nothing
 * from the patch is executed.
 */
export interface Merger {
  /** A repeated call for the same review starts over. The first tree is the patchset's own project. */
  merge(request: EffectOf<'mergePatchset'>, signal: AbortSignal): Promise<MergeOutcome>;
  /** The reviews whose commits are kept. */
  reviews(): Promise<readonly string[]>;
  /** Allows the commits of an ended review to be removed. An unknown review is success. */
  drop(review: string): Promise<void>;
}

/** Fetches the code under test into the server's work tree. */
export interface Source {
  /**
   * After it resolves, the work tree holds exactly the first of `trees` (the uploaded patchset when there are none),
   * and the dependencies directory holds the others. A repeated call starts from scratch. Returns the commit's SHA-1.
   */
  fetch(request: EffectOf<'fetchPatchset'>, signal: AbortSignal): Promise<string>;
}

export type ContactListener = (contact: 'away' | 'back') => void;

/** The result of a run: it ended, or it vanished without a recorded end. */
export type RunOutcome =
  | (StageEnd & { readonly facts?: StageFacts })
  | { readonly how: 'lost'; readonly why: string };

export interface RunHandle {
  /** Process id of the command's runner, on the server or on this host. */
  readonly pid: number;
  /** True when the run had been started before and was found running or ended. */
  readonly adopted: boolean;
  /** Resolves once, when the run has ended or vanished. Never rejects. */
  readonly ended: Promise<RunOutcome>;
  /** Stops watching; the run continues. */
  detach(): void;
}

/**
 * Runs one command per stage on a server, where it outlives this process. A call whose signal aborts rejects soon: an
 * aborted start may have begun the command, and the next start finds it.
 */
export interface Runner {
  /**
   * Starts the stage, or finds the earlier start of the same run (same server, attempt, stage): never two. The server
   * enforces the command's deadline and output limit, even while no daemon watches. `onContact` is called while the run
   * is started and watched, when the server stops answering and when it answers again.
   */
  start(request: EffectOf<'runStage'>, signal: AbortSignal, onContact?: ContactListener): Promise<RunHandle>;
  /** Ends every process of the run, including children that left its process group. A run that has ended is success. */
  stop(run: StageRun, signal: AbortSignal): Promise<void>;
  /** Reads and summarizes a results file. Resolves to `unreadable` for a missing, oversized or malformed file. */
  readResults(
    server: Server,
    results: ResultsSpec,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ResultsRead>;
}

/** The contents of a results file; `tests` is absent if its format's reader only counts them. */
export type ResultsRead = (ResultsSummary | { readonly unreadable: string }) & {
  readonly tests?: TestsRead;
};

/**
 * Runs janitors on this host, where they outlive this process. A call whose signal aborts rejects soon: an aborted
 * start may have begun the command, and the next start finds it.
 */
export interface JanitorRunner {
  /**
   * Starts the run, or finds the earlier start of the same attempt: never two. The deadline and the output limit hold
   * even while no daemon watches.
   */
  start(request: EffectOf<'runJanitor'>, signal: AbortSignal): Promise<RunHandle>;
  /** Ends every process of the run. One that has not started never starts; if it has ended, the stop succeeds. */
  stop(run: JanitorRun, signal: AbortSignal): Promise<void>;
  /** As `Evidence.lastLine`. */
  lastLine(run: JanitorRun): Promise<string | null>;
}

/** A test with its outcome and logs. */
export interface TestRecord extends Omit<TestResult, 'error'> {
  /** Tracebacks and logs, or the reason why it was skipped; with `isCut` only the end. None for a passed test. */
  readonly details: readonly { readonly name: string; readonly text: string; readonly isCut: boolean }[];
}

export interface TestReport {
  readonly tests: readonly TestRecord[];
  /** Why it is incomplete; null: it is complete. */
  readonly problem: string | null;
}

/** The collected evidence, and the URL where `publish` publishes it unless that is already in use. */
export interface CollectedSummary {
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly url: string;
}

/** Collects a job's evidence on this host and publishes it. */
export interface Evidence {
  /**
   * Collects stage logs and the named paths from the server (null: what this host has). A repeated call starts over.
   */
  collect(request: EffectOf<'collectEvidence'>, signal: AbortSignal): Promise<CollectedSummary>;
  /**
   * Publishes the collected evidence, redacted, all or nothing; a second call finds the result of the first. Returns
   * the URL.
   */
  publish(request: EffectOf<'publishEvidence'>, signal: AbortSignal): Promise<string>;
  /**
   * The last line that a stage printed, without secrets, at most a few hundred characters; null when it printed nothing
   * or the line is unknown. Never rejects because of the content.
   */
  lastLine(owner: Pick<Ownership, 'job' | 'attempt'>, stage: Stage): Promise<string | null>;
  /** The jobs with evidence on this host: stage output or collected files. Published evidence does not count. */
  held(): Promise<readonly string[]>;
  /** Removes all or part of a job's evidence from this host. Published evidence stays. */
  discard(job: string, part: EvidencePart): Promise<void>;
  /** Removes published evidence that has expired; see Publisher. Resolves to the number of directories. */
  expire(expiry: Expiry, timeoutMs: number, signal: AbortSignal): Promise<number>;
}

/** Gerrit's answer to a review. Errors that leave open whether Gerrit has it are thrown, retryable. */
export type PostOutcome =
  | {
      readonly posted: true;
      /** True: the review was posted already. */
      readonly found: boolean;
      /** True: posted with the requested vote; false also when no vote was requested. */
      readonly voted: boolean;
      /** Why the requested vote was left out: an outdated patchset, a closed change. '' otherwise. */
      readonly why: string;
    }
  /** Gerrit refused the labels and posted nothing. */
  | { readonly posted: false; readonly refused: string };

/** A change immediately before a review of it is posted. */
export interface ReviewedChange {
  readonly change: CurrentChange;
  /** Our account's vote on the current patchset with the requested label, copied votes included; 0 for none. */
  readonly vote: number;
  /** The kinds of the newest patchsets, including the current one. */
  readonly kinds: readonly PatchsetKind[];
}

/** Posts to Gerrit. */
export interface Reviewer {
  /**
   * Posts once for each `run`: reads our own messages on the change first, and treats one that holds the run's id as
   * the post. On a patchset that is not the current one, or a closed change, posts the message without votes. With
   * `onlyCurrent`, a newer patchset is a retryable error instead, and nothing is posted. After an interrupted request
   * (of this process, or of an earlier one with `recovered`) it waits until that request can no longer arrive.
   */
  post(request: EffectOf<'postReview'>, signal: AbortSignal, recovered: boolean): Promise<PostOutcome>;
  /** @throws OperationError, retryable also when Gerrit does not show the patchset yet */
  readChangeState(request: EffectOf<'readChangeState'>, signal: AbortSignal): Promise<ReviewedChange>;
  /** Our account's votes on the patchset, by label; an absent label means 0. */
  readVotes(request: EffectOf<'readVotes'>, signal: AbortSignal): Promise<Readonly<Record<string, number>>>;
}

/** The other recipients have received the mail: sent again, it would reach them twice. */
export class PartlySent extends OperationError {
  constructor(fields: Omit<OperationErrorFields, 'retryable'>) {
    super({ ...fields, retryable: false });
  }
}

/** Sends mail. */
export interface Mailer {
  /**
   * Resolves when another program or host has accepted the mail, once for each call. A repeated `mail.id` has the same
   * Message-ID, so a recipient can recognize a duplicate. Untrusted text cannot escape its header or the body.
   * @throws PartlySent when it was refused for some of the recipients only
   * @throws OperationError, retryable unless the other side has refused permanently
   */
  send(mail: EffectOf<'sendMail'>['mail'], signal: AbortSignal): Promise<void>;
}

/** Notifies the operator. */
export interface Alarms {
  /** A `cleared` alarm that is not open changes nothing. */
  raise(alarm: Alarm): Promise<void>;
}

/** Free disk space and other resources of this host. */
export type HostSnapshot = Pick<HealthSnapshot, 'disks' | 'walBytes' | 'archiveProblem'>;

/** Measures this host. */
export interface HostMetrics {
  /** Never rejects because of what it finds: an unknown value is null. */
  read(): Promise<HostSnapshot>;
}

/** The result of a catch-up query. */
export interface CaughtUp {
  /** Start of the period that was checked, epoch ms. */
  readonly since: number;
  readonly changes: number;
  /** Number of events that the stream did not report. */
  readonly found: number;
  /** Changes that must be checked again. */
  readonly ambiguous: readonly number[];
  /** Rows of Gerrit's answer that could not be parsed. */
  readonly unparsed: number;
}

/** Queries Gerrit for events that its stream may have lost. */
export interface CatchUp {
  /** When it resolves, every missed event is decided and durable. A repeated call finds what is still missing. */
  run(request: EffectOf<'catchUp'>, signal: AbortSignal): Promise<CaughtUp>;
}

/** Everything that `perform` may use. */
export interface Adapters {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly catchUp: CatchUp;
  readonly changes: Changes;
  readonly merger: Merger;
  readonly source: Source;
  readonly runner: Runner;
  readonly janitors: JanitorRunner;
  readonly evidence: Evidence;
  readonly reviewer: Reviewer;
  readonly alarms: Alarms;
  /**
   * The jobs of the active configuration, and which of them apply to the change; null: the change could not be read.
   */
  readonly activeJobs: (change: CurrentChange | null) => readonly ActiveJob[];
  /** Null: mail is not configured. */
  readonly mailer: Mailer | null;
  /** Removes secrets from external text before it is stored or shown. */
  readonly hide: (text: string) => string;
}
