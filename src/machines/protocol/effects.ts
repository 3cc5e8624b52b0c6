/**
 * Requests. What a machine wants from the world, as plain data. Each effect that is `Keyed` is owed until an event
 * that names its key settles it, or until the machine withdraws it. `step` refuses a key that the history used before,
 * so a late answer settles nothing else: a key holds the attempt.
 */

import type { Alarm } from '../model/alarm.ts';
import type {
  Dependency,
  EvidencePart,
  MergedTree,
  Ownership,
  Patchset,
  ResultsSpec,
  ResultsSummary,
  Server,
  Sibling,
  Stage,
  StageSpec,
} from '../model/domain.ts';
import type { Verdict } from '../model/verdict.ts';
import type { Mail } from '../review/mail.ts';
import type { AnyEvent } from './events.ts';
import type { MachineName } from './row.ts';

/** Where one stage of one attempt runs. */
export interface StageRun {
  readonly server: Server;
  readonly owner: Ownership;
  readonly stage: Stage;
}

/** What is published, and what its page says of it. */
export interface PublishSpec {
  readonly owner: Ownership;
  readonly patchset: Patchset;
  readonly name: string;
  readonly pipeline: string;
  readonly verdict: Verdict;
  readonly reason: string;
  readonly results: ResultsSummary | null;
  /** What was tested; empty: the patchset as it was uploaded. */
  readonly trees: readonly MergedTree[];
  readonly dependencies: readonly Dependency[];
  /** The other jobs of the review. */
  readonly siblings: readonly Sibling[];
  readonly timeoutMs: number;
}

export type KeyedEffect =
  /** Due at `dueAt` (epoch ms); never later than `delayMs` after it was armed, whatever the wall clock does. */
  | { readonly type: 'setTimer'; readonly key: string; readonly dueAt: number; readonly delayMs: number }
  | { readonly type: 'raiseAlarm'; readonly key: string; readonly alarm: Alarm }
  | {
      readonly type: 'acquireSlot';
      readonly key: string;
      readonly provider: string;
      /** The job's name and project: each may have a limit of its own, and no project waits forever behind another. */
      readonly name: string;
      readonly project: string;
      /** Milliseconds by which the request counts as older than it is. */
      readonly headStartMs: number;
      /** Before all that are not. */
      readonly promoted: boolean;
    }
  | {
      readonly type: 'createServer';
      readonly key: string;
      readonly provider: string;
      readonly name: string;
      readonly owner: Ownership;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'fetchPatchset';
      readonly key: string;
      readonly server: Server;
      readonly patchset: Patchset;
      /** What is tested, the patchset's own project first; empty: the patchset as it was uploaded. */
      readonly trees: readonly MergedTree[];
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'lookUpChange';
      readonly key: string;
      readonly patchset: Patchset;
      /** Changes that one change may depend on, all in all. */
      readonly dependencyLimit: number;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'mergePatchset';
      readonly key: string;
      /** The review that it is for: what is kept in the cache carries this name. */
      readonly review: string;
      readonly patchset: Patchset;
      readonly dependencies: readonly Dependency[];
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'runStage';
      readonly key: string;
      readonly run: StageRun;
      readonly spec: StageSpec;
      readonly patchset: Patchset;
      /** The job's name. */
      readonly name: string;
    }
  | { readonly type: 'stopStage'; readonly key: string; readonly run: StageRun; readonly timeoutMs: number }
  | {
      readonly type: 'readResults';
      readonly key: string;
      readonly server: Server;
      readonly results: ResultsSpec;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'collectEvidence';
      readonly key: string;
      readonly owner: Ownership;
      readonly server: Server | null;
      /** Where it will be published follows from these three. */
      readonly patchset: Patchset;
      readonly name: string;
      readonly pipeline: string;
      readonly logs: readonly string[];
      readonly limitBytes: number;
      readonly limitFiles: number;
      readonly timeoutMs: number;
    }
  | ({ readonly type: 'publishEvidence'; readonly key: string } & PublishSpec)
  | {
      readonly type: 'deleteServer';
      readonly key: string;
      readonly provider: string;
      readonly owner: Ownership;
      readonly timeoutMs: number;
    }
  /** Removes what lies on this host for the job: what its stages printed, what was collected, or both. Published evidence stays. */
  | {
      readonly type: 'discardEvidence';
      readonly key: string;
      readonly job: string;
      readonly part: EvidencePart;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'postReview';
      readonly key: string;
      /** Stands inside the message, so that our own message for this run is known again. */
      readonly run: string;
      readonly patchset: Patchset;
      readonly message: string;
      readonly labels: Readonly<Record<string, number>>;
      /** If a newer patchset keeps the vote back, nothing is posted, and the attempt fails. Absent: the message goes without. */
      readonly onlyCurrent?: true;
      readonly tag: string;
      readonly timeoutMs: number;
    }
  | {
      /** Asks Gerrit what the stream may have missed, and has it decided. */
      readonly type: 'catchUp';
      readonly key: string;
      /** Only on these; null: everything since the position that is kept. */
      readonly changes: readonly number[] | null;
      readonly timeoutMs: number;
    }
  /** The message that the tests begin. Asked for once; nothing waits for it. */
  | {
      readonly type: 'postStartMessage';
      readonly key: string;
      /** Stands inside the message, and nothing that the result is looked for by. */
      readonly run: string;
      readonly patchset: Patchset;
      readonly message: string;
      readonly tag: string;
      readonly timeoutMs: number;
    }
  | {
      /** Asked just before a post. */
      readonly type: 'readChangeState';
      readonly key: string;
      /** The one that was tested. */
      readonly patchset: Patchset;
      readonly label: string;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'readVotes';
      readonly key: string;
      readonly patchset: Patchset;
      readonly timeoutMs: number;
    }
  | {
      /** Owed also by a history that has ended. */
      readonly type: 'sendMail';
      readonly key: string;
      readonly mail: Mail;
      /** Not before this (epoch ms), and never later than `delayMs` after it was asked for. */
      readonly dueAt: number;
      readonly delayMs: number;
      readonly timeoutMs: number;
    };

export type Effect =
  | KeyedEffect
  /** Takes back a timer, a slot request or a question to Gerrit. Nothing else can be taken back: its answer is waited for. */
  | { readonly type: 'cancelEffect'; readonly key: string }
  /** An append to another history, in the same transaction. */
  | {
      readonly type: 'sendEvent';
      readonly to: string;
      readonly event: AnyEvent;
      /** The machine on which that history begins with this event; absent: the history exists. */
      readonly startsOn?: MachineName;
    };
