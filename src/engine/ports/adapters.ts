/**
 * What the engine needs of the outside, as interfaces whose comments are promises. Adapters keep them, named fakes
 * in test/fakes keep them too, and test/contracts holds one suite for each. All fallible calls reject with
 * OperationError; anything else that is thrown is a programmer's error.
 */

import type { Alarm } from '../../machines/model/alarm.ts';
import type {
  EvidencePart,
  MergedTree,
  Ownership,
  ResolvedChange,
  ResultsSpec,
  ResultsSummary,
  Server,
  Stage,
  StageEnd,
} from '../../machines/model/domain.ts';
import type { ChangeNow } from '../../machines/model/gerrit-event.ts';
import type { HealthSnapshot } from '../../machines/model/health-snapshot.ts';
import type { KeyedEffect, StageRun } from '../../machines/protocol/effects.ts';
import type { JobInForce, PatchsetKind } from '../../machines/verdicts/vote-rule.ts';

export type EffectOf<T extends KeyedEffect['type']> = Extract<KeyedEffect, { type: T }>;

/** Time. The only source of it in the engine. */
export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): number;
  /** Monotonic, ms since an arbitrary start: for durations inside one process. */
  monotonic(): number;
  /** Calls `due` once after `delayMs` of monotonic time (any length). The returned function takes it back. */
  after(delayMs: number, due: () => void): () => void;
}

/** Makes, finds and removes servers. A call whose signal aborts rejects soon, and nothing of it goes on here. */
export interface Provider {
  readonly name: string;
  /** Servers that may exist at the same time. */
  readonly slots: number;
  /**
   * Makes one server that carries `owner` from the first moment of its existence. Called again for the same owner it
   * must not be assumed to be idempotent: the engine lists first after a restart.
   */
  create(request: EffectOf<'createServer'>, signal: AbortSignal): Promise<Server>;
  /** All servers that carry this deployment's id (and of this job, when given), oldest first. */
  list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]>;
  /** Ends every process of the server and removes it. Not found is success. Refuses what does not carry `deployment`. */
  delete(server: Server, deployment: string, signal: AbortSignal): Promise<void>;
}

export interface OwnedServer {
  readonly server: Server;
  readonly owner: Ownership;
}

/** Asks Gerrit how a change is now. */
export interface Changes {
  /**
   * @throws OperationError, retryable also when Gerrit does not show the patchset yet that its stream has told of
   */
  lookUp(request: EffectOf<'lookUpChange'>, signal: AbortSignal): Promise<ResolvedChange>;
}

/** How a merge ended. */
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
 * Merges a patchset and what it depends on onto the tips of their branches, on this host, in bare repositories. Nothing
 * of the patch is executed.
 */
export interface Merger {
  /** Called again for the same review it starts over. The first tree is the patchset's own project. */
  merge(request: EffectOf<'mergePatchset'>, signal: AbortSignal): Promise<MergeOutcome>;
  /** The reviews for which commits are kept. */
  reviews(): Promise<readonly string[]>;
  /** The review is over: its commits may go. Never heard of is success. */
  drop(review: string): Promise<void>;
}

/** Brings what is tested into the server's work tree. */
export interface Source {
  /**
   * After it resolves the work tree holds exactly the first of `trees` (the patchset as uploaded when there are none),
   * and the folder of dependencies the others; called again it starts from scratch. Returns the commit's SHA-1.
   */
  fetch(request: EffectOf<'fetchPatchset'>, signal: AbortSignal): Promise<string>;
}

/** What became of a run: it ended, or it vanished without leaving an ending. */
export type RunOutcome = StageEnd | { readonly how: 'lost'; readonly why: string };

export interface RunHandle {
  /** Process id of the command's runner on the server. */
  readonly pid: number;
  /** True when the run had been started before and was found alive or ended. */
  readonly adopted: boolean;
  /** Resolves once, when the run has ended or vanished. Never rejects. */
  readonly ended: Promise<RunOutcome>;
  /** Stops watching; the run itself goes on. */
  detach(): void;
}

/**
 * Runs one command per stage on a server, so that it outlives this process. A call whose signal aborts rejects soon: a
 * start may have begun the command, and the next one finds it.
 */
export interface Runner {
  /**
   * Starts the stage, or finds the one that was started before for the same run (same server, attempt, stage): never
   * two. The command's deadline and output limit are enforced on the server's side, also while nobody watches.
   */
  start(request: EffectOf<'runStage'>, signal: AbortSignal): Promise<RunHandle>;
  /** Ends every process of the run, children that left its process group included. Ended already is success. */
  stop(run: StageRun, signal: AbortSignal): Promise<void>;
  /** Reads and sums up a results file. Resolves to `unreadable` for a missing, oversized or malformed file. */
  readResults(
    server: Server,
    results: ResultsSpec,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ResultsSummary | { readonly unreadable: string }>;
}

/** What was collected, and where `publish` will put it unless something else stands there. */
export interface CollectedSummary {
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly url: string;
}

/** A job's evidence: gathers it on this host, publishes it. */
export interface Evidence {
  /** Gathers stage logs and the named paths from the server (null: what this host has). Called again it starts over. */
  collect(request: EffectOf<'collectEvidence'>, signal: AbortSignal): Promise<CollectedSummary>;
  /** Publishes what was collected, redacted, whole or not at all; a second call finds the first one's work. Returns its URL. */
  publish(request: EffectOf<'publishEvidence'>, signal: AbortSignal): Promise<string>;
  /**
   * The last thing that a stage printed, in one line without secrets, of at most a few hundred characters; null when it
   * printed nothing or that is not known. Never rejects for what it finds.
   */
  lastLine(owner: Pick<Ownership, 'job' | 'attempt'>, stage: Stage): Promise<string | null>;
  /** The jobs for which something lies on this host: what their stages printed, or what was gathered. Not what was published. */
  held(): Promise<readonly string[]>;
  /** Removes what lies on this host for a job, or a part of it. Published evidence stays. */
  discard(job: string, part: EvidencePart): Promise<void>;
}

/** What Gerrit said to a review. Errors that leave it open whether Gerrit has it are thrown, retryable. */
export type PostOutcome =
  | {
      readonly posted: true;
      /** It was there already. */
      readonly found: boolean;
      /** With the vote that was asked for: false also when none was. */
      readonly voted: boolean;
      /** Why the vote that was asked for was left out: an outdated patchset, a closed change. '' otherwise. */
      readonly why: string;
    }
  /** Gerrit refused the labels and took nothing. */
  | { readonly posted: false; readonly refused: string };

/** A change just before a review of it is posted. */
export interface ReviewedChange {
  readonly change: ChangeNow;
  /** Our account's vote on the current patchset with the label that was asked about, copied ones too; 0 for none. */
  readonly vote: number;
  /** The kinds of the newest patchsets, the current one among them. */
  readonly kinds: readonly PatchsetKind[];
}

/** Posts to Gerrit. */
export interface Reviewer {
  /**
   * Posts once for each `run`: our own messages on the change are read first, and one that holds the run's id is
   * taken for the post. On a patchset that is not the current one, or a closed change, the message goes without votes. With
   * `onlyCurrent`, a newer patchset is a retryable error instead, and nothing is posted. After a request that was cut off
   * (by this process, or with `recovered` by one before it) it waits until that request can no longer arrive.
   */
  post(request: EffectOf<'postReview'>, signal: AbortSignal, recovered: boolean): Promise<PostOutcome>;
  /** @throws OperationError, retryable also when Gerrit does not show the patchset yet */
  readChangeState(request: EffectOf<'readChangeState'>, signal: AbortSignal): Promise<ReviewedChange>;
  /** Our account's votes on the patchset, by label; 0 and absent are the same. */
  readVotes(request: EffectOf<'readVotes'>, signal: AbortSignal): Promise<Readonly<Record<string, number>>>;
}

/** Sends mail. */
export interface Mailer {
  /**
   * Resolves when another program or host has taken the mail, once for each call: the same `mail.id` again carries the
   * same Message-ID, so that whoever gets it twice can tell. What strangers wrote stays inside its header or the text.
   * @throws OperationError, retryable unless the other side has refused for good
   */
  send(mail: EffectOf<'sendMail'>['mail'], signal: AbortSignal): Promise<void>;
}

/** Tells the operator. */
export interface Alarms {
  raise(alarm: Alarm): Promise<void>;
}

/** What this host has left. */
export type HostSnapshot = Pick<HealthSnapshot, 'disks' | 'walBytes' | 'unkept'>;

/** Looks at this host. */
export interface HostMetrics {
  /** Never rejects for what it finds: what nobody knows is null. */
  look(): Promise<HostSnapshot>;
}

/** How a look at what may have been missed went. */
export interface CaughtUp {
  /** From when on it was looked at, epoch ms. */
  readonly since: number;
  readonly changes: number;
  /** What the stream had not told of. */
  readonly found: number;
  /** Changes that must be looked at once more. */
  readonly unsure: readonly number[];
  /** Rows of Gerrit's answer that could not be read. */
  readonly unread: number;
}

/** Finds in Gerrit's own account what its stream may have lost. */
export interface CatchUp {
  /** All that was missed is decided, and durable, when it resolves. Called again it finds what is still missing. */
  run(request: EffectOf<'catchUp'>, signal: AbortSignal): Promise<CaughtUp>;
}

/** Everything that `perform` may touch. */
export interface Adapters {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly catchUp: CatchUp;
  readonly changes: Changes;
  readonly merger: Merger;
  readonly source: Source;
  readonly runner: Runner;
  readonly evidence: Evidence;
  readonly reviewer: Reviewer;
  readonly alarms: Alarms;
  /** The jobs of the configuration in force, and which of them apply to the change; null: it could not be read. */
  readonly jobsInForce: (change: ChangeNow | null) => readonly JobInForce[];
  /** Null: mail is not configured. */
  readonly mailer: Mailer | null;
  /** Takes secrets out of what somebody else wrote, before it is written down or shown. */
  readonly hide: (text: string) => string;
}
