/**
 * Effects: what a machine requests, as plain data. A `KeyedEffect` is pending until an event with its key settles it,
 * or until the machine withdraws it. `step` rejects a key that the history has used before; a key contains the attempt,
 * so a late answer cannot settle another attempt.
 */

import type { Alarm } from '../model/alarm.ts';
import type {
  Dependency,
  EvidencePart,
  JobSpec,
  Leak,
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
import type { Environment } from '../model/environment.ts';
import type { JanitorRun, JanitorSpec } from '../model/janitor.ts';
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

/** What is published, and the text of its page. */
export interface PublishSpec {
  readonly owner: Ownership;
  readonly patchset: Patchset;
  readonly name: string;
  readonly pipeline: string;
  readonly verdict: Verdict;
  readonly reason: string;
  readonly results: ResultsSummary | null;
  /** The tested commits; empty: the patchset as uploaded. */
  readonly trees: readonly MergedTree[];
  readonly dependencies: readonly Dependency[];
  /** The other jobs of the review. */
  readonly siblings: readonly Sibling[];
  /** Null: the job never had a server. */
  readonly environment: Environment | null;
  readonly timeoutMs: number;
}

export type KeyedEffect =
  /** Due at `dueAt` (epoch ms), but at most `delayMs` after it was armed, regardless of changes of the wall clock. */
  | { readonly type: 'setTimer'; readonly key: string; readonly dueAt: number; readonly delayMs: number }
  | { readonly type: 'raiseAlarm'; readonly key: string; readonly alarm: Alarm }
  | {
      readonly type: 'acquireSlot';
      readonly key: string;
      readonly provider: string;
      /** The job's name and project. Each may have its own limit, and no project waits forever behind another. */
      readonly name: string;
      readonly project: string;
      /** The back ends that the job uses, one unit of each; absent: none. */
      readonly backends?: readonly string[];
      /** Milliseconds that are added to the request's age. */
      readonly headStartMs: number;
      /** Served before all requests that are not promoted. */
      readonly promoted: boolean;
    }
  /** All units of these back ends, for a janitor. */
  | {
      readonly type: 'acquireBackends';
      readonly key: string;
      /** The janitor's name. */
      readonly name: string;
      readonly backends: readonly string[];
    }
  /** Runs a janitor on this host, where it outlives the daemon. */
  | ({ readonly type: 'runJanitor'; readonly key: string; readonly run: JanitorRun } & Pick<
      JanitorSpec,
      'backends' | 'work' | 'timeoutMs' | 'outputLimitBytes'
    >)
  | {
      readonly type: 'stopJanitor';
      readonly key: string;
      readonly run: JanitorRun;
      readonly timeoutMs: number;
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
      /** The commits to test, the patchset's own project first; empty: the patchset as uploaded. */
      readonly trees: readonly MergedTree[];
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'lookUpChange';
      readonly key: string;
      readonly patchset: Patchset;
      /** Maximum number of dependencies of a change, in total. */
      readonly dependencyLimit: number;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'mergePatchset';
      readonly key: string;
      /** The review that requests it; cached data carries this name. */
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
      readonly name: string;
      /** The trees on the server, as in `fetchPatchset`; only for a playbook, which gets them as variables. */
      readonly trees?: readonly MergedTree[];
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
      /** The published URL is computed from these three. */
      readonly patchset: Patchset;
      readonly name: string;
      readonly pipeline: string;
      /** Published as a file; absent: not. */
      readonly configuration?: JobSpec;
      readonly logs: readonly string[];
      /** The results file in the work tree, if it is a subunit stream; absent: none. */
      readonly subunit?: string;
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
  /** Opens a held server for people: ends the job's processes there, and removes its secrets. */
  | {
      readonly type: 'openServer';
      readonly key: string;
      readonly server: Server;
      readonly timeoutMs: number;
    }
  /**
   * Removes the job's files on this host: the output of its stages, the collected files, or both. Keeps published
   * evidence.
   */
  | {
      readonly type: 'discardEvidence';
      readonly key: string;
      readonly job: string;
      readonly part: EvidencePart;
      readonly timeoutMs: number;
    }
  /** Removes what the ended job left behind. */
  | {
      readonly type: 'removeLeak';
      readonly key: string;
      readonly owner: Pick<Ownership, 'deployment' | 'job'>;
      readonly leak: Leak;
      readonly by: string | null;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'postReview';
      readonly key: string;
      /** Part of the message, so that our own message for this run is recognized. */
      readonly run: string;
      readonly patchset: Patchset;
      readonly message: string;
      readonly labels: Readonly<Record<string, number>>;
      /**
       * If a newer patchset holds the vote back, nothing is posted, and the attempt fails. Absent: the message is
       * posted without it.
       */
      readonly onlyCurrent?: true;
      readonly tag: string;
      readonly timeoutMs: number;
    }
  | {
      /** Queries Gerrit for events that the stream may have missed, and decides them. */
      readonly type: 'catchUp';
      readonly key: string;
      /** Only these; null: everything since the stored position. */
      readonly changes: readonly number[] | null;
      readonly timeoutMs: number;
    }
  /** The message that announces the start of the tests. Requested once; nothing waits for it. */
  | {
      readonly type: 'postStartMessage';
      readonly key: string;
      /** Part of the message. The search for the result's message does not match it. */
      readonly run: string;
      readonly patchset: Patchset;
      readonly message: string;
      readonly tag: string;
      readonly timeoutMs: number;
    }
  | {
      /** Requested just before a post. */
      readonly type: 'readChangeState';
      readonly key: string;
      /** The tested patchset. */
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
      /** Also pending for a history that has ended. */
      readonly type: 'sendMail';
      readonly key: string;
      readonly mail: Mail;
      /** Not before this time (epoch ms), and never later than `delayMs` after it was requested. */
      readonly dueAt: number;
      readonly delayMs: number;
      readonly timeoutMs: number;
    };

export type Effect =
  | KeyedEffect
  /**
   * Withdraws a timer, a request for a slot or back ends, or a query to Gerrit. Other effects cannot be withdrawn: the
   * machine waits for their answers.
   */
  | { readonly type: 'cancelEffect'; readonly key: string }
  /** An append to another history, in the same transaction. */
  | {
      readonly type: 'sendEvent';
      readonly to: string;
      readonly event: AnyEvent;
      /** The machine of a new history that begins with this event; absent: the history exists. */
      readonly startsOn?: MachineName;
    };
