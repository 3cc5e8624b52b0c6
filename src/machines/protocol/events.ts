/**
 * Facts. Every row of the event log is one of these, named `noun.past-participle`. Both unions are closed and
 * plain JSON; the names and fields are stored forever, so a change of meaning is a new event, not an edit.
 */

import type {
  ChangeState,
  Dependency,
  Failure,
  JobReport,
  JobSpec,
  MergedTree,
  Patchset,
  PreparePlan,
  ResolvedChange,
  ResultsSummary,
  Server,
  Sibling,
  Stage,
  StageEnd,
  StandingVote,
} from '../model/domain.ts';
import type { Judgement } from '../model/judge-review.ts';
import type { ReportSpec } from '../model/report-spec.ts';
import type { Verdict } from '../model/verdict.ts';
import type { MailSpec } from '../review/mail.ts';
import type { StartCause } from '../trigger/rules/cause.ts';
import type { ReviewJob } from '../trigger/rules/files.ts';
import type { VerdictsEvent } from '../verdicts/verdict-events.ts';
import type { JobInForce, VoteRun } from '../verdicts/vote-rule.ts';
import type { PublishSpec } from './effects.ts';

/** Facts that any machine may be told. */
export type CommonEvent =
  /** A timer that the machine had set came due. Settles `setTimer`. */
  | { readonly type: 'timer.fired'; readonly timer: string }
  /** An event threw inside the machine: the history is quarantined and goes to its clean-up. */
  | { readonly type: 'machine.failed'; readonly event: string; readonly message: string }
  /** So did the quarantine: the history is parked as it is, by a way that computes nothing. */
  | { readonly type: 'machine.quarantine-failed'; readonly event: string; readonly message: string }
  /** The daemon itself was brought down by work for this history. Twice, and the history is parked. */
  | { readonly type: 'daemon.crashed'; readonly during: string; readonly message: string }
  /** Settles `raiseAlarm`. */
  | { readonly type: 'alarm.raised' };

export type JobEvent =
  | CommonEvent
  | {
      readonly type: 'job.accepted';
      readonly job: string;
      readonly review: string;
      readonly deployment: string;
      readonly patchset: Patchset;
      readonly spec: JobSpec;
      /** The other jobs of its review; absent: there is none. */
      readonly siblings?: readonly Sibling[];
    }
  /** Its review has looked at the change and merged it: it may wait for a slot. `trees`: what is tested. */
  | {
      readonly type: 'job.ready';
      readonly trees: readonly MergedTree[];
      /** The open changes that are merged in too; absent: there is none. */
      readonly dependencies?: readonly Dependency[];
    }
  /** Its review found that there is nothing to run, or that it cannot be run. */
  | {
      readonly type: 'job.rejected';
      readonly verdict: Extract<Verdict, 'MERGER_FAILURE' | 'NODE_FAILURE' | 'SKIPPED' | 'ABORTED'>;
      readonly reason: string;
    }
  /** An operator wants it served next: it goes to the head of the queue. */
  | { readonly type: 'job.promoted'; readonly by: string; readonly why: string }
  /** Settles `acquireSlot`. */
  | { readonly type: 'slot.granted' }
  /** Settles `createServer`. */
  | { readonly type: 'server.active'; readonly server: Server; readonly adopted: boolean }
  | { readonly type: 'server.create-failed'; readonly failure: Failure }
  /** Settles `fetchPatchset`. */
  | { readonly type: 'patchset.fetched'; readonly revision: string }
  | { readonly type: 'patchset.fetch-failed'; readonly failure: Failure }
  /** Settles nothing: the command runs, as this process. */
  | { readonly type: 'stage.started'; readonly stage: Stage; readonly pid: number; readonly adopted: boolean }
  /** Settle `runStage`: it ended; it vanished without an ending; it could not be started. */
  | {
      readonly type: 'stage.exited';
      readonly stage: Stage;
      readonly end: StageEnd;
      /** What it printed last, where it did not end well and that is known. */
      readonly lastLine?: string;
    }
  | { readonly type: 'stage.lost'; readonly stage: Stage; readonly why: string }
  | { readonly type: 'stage.start-failed'; readonly stage: Stage; readonly failure: Failure }
  /** Settles `stopStage`. */
  | { readonly type: 'stage.stopped'; readonly stage: Stage }
  | { readonly type: 'stage.stop-failed'; readonly stage: Stage; readonly failure: Failure }
  /** Settle `readResults`. */
  | { readonly type: 'results.read'; readonly results: ResultsSummary }
  | { readonly type: 'results.read-failed'; readonly why: string }
  /** Settle `collectEvidence`. */
  | {
      readonly type: 'evidence.collected';
      readonly files: number;
      readonly bytes: number;
      readonly skipped: number;
      /** Where it will be published. */
      readonly url: string;
    }
  | { readonly type: 'evidence.collect-failed'; readonly failure: Failure }
  /** Settle `publishEvidence`. Without settling anything: the history that publishes later has published. */
  | { readonly type: 'evidence.published'; readonly url: string }
  | { readonly type: 'evidence.publish-failed'; readonly failure: Failure }
  /** The history that publishes later has given up: the evidence is gone. */
  | { readonly type: 'evidence.abandoned'; readonly why: string }
  /** The review has taken this job's verdict. */
  | { readonly type: 'verdict.accepted' }
  /** Settle `deleteServer`: nothing of ours is left for this job; something is. */
  | { readonly type: 'server.deleted'; readonly deleted: number }
  | { readonly type: 'server.delete-failed'; readonly failure: Failure }
  /** Settle `discardEvidence`. */
  | { readonly type: 'evidence.discarded' }
  | { readonly type: 'evidence.discard-failed'; readonly failure: Failure }
  | { readonly type: 'job.cancelled'; readonly reason: string }
  | { readonly type: 'job.superseded'; readonly by: string };

export type ReviewEvent =
  | CommonEvent
  | {
      readonly type: 'review.opened';
      readonly review: string;
      readonly pipeline: string;
      readonly patchset: Patchset;
      readonly trigger: string;
      /** Absent: an operator began it. */
      readonly cause?: StartCause;
      readonly jobs: readonly ReviewJob[];
      readonly plan: PreparePlan;
      readonly report: ReportSpec;
      /** Whom its end is told by mail; absent: nobody. */
      readonly mail?: MailSpec;
    }
  /** Settle `lookUpChange`: what Gerrit says of the change now; it did not say. */
  | { readonly type: 'change.looked-up'; readonly change: ResolvedChange }
  | { readonly type: 'change.lookup-failed'; readonly failure: Failure }
  /** Somebody voted on the patchset while the review waited for that. */
  | { readonly type: 'vote.cast'; readonly vote: StandingVote }
  /** Settle `mergePatchset`: done; it cannot be merged; it did not work. */
  | { readonly type: 'patchset.merged'; readonly trees: readonly MergedTree[] }
  | {
      readonly type: 'patchset.conflicted';
      /** Of the change that does not merge: the patchset itself or one that it depends on. */
      readonly project: string;
      readonly change: number;
      readonly branch: string;
      /** Paths in conflict, the first few. */
      readonly files: readonly string[];
    }
  | { readonly type: 'patchset.merge-failed'; readonly failure: Failure }
  | { readonly type: 'job.reported'; readonly report: JobReport }
  /** Evidence that was pending can be read now; it was given up. */
  | { readonly type: 'job.evidence-published'; readonly job: string; readonly url: string }
  | { readonly type: 'job.evidence-abandoned'; readonly job: string; readonly why: string }
  /** The history of voting has answered: this CI may vote; it may not, after too many failures in a row. */
  | { readonly type: 'vote.allowed' }
  | { readonly type: 'vote.withheld'; readonly why: string }
  /** The history of the change's verdicts has answered: no other review of the change posts; what the runs came to. */
  | { readonly type: 'turn.granted' }
  | { readonly type: 'verdicts.listed'; readonly runs: readonly VoteRun[]; readonly forgotten: number }
  /** Settle `readChangeState`: the change just before the post, and the jobs of the configuration in force; it was not read. */
  | {
      readonly type: 'change-state.read';
      readonly standing: ChangeState;
      readonly jobs: readonly JobInForce[];
    }
  | {
      readonly type: 'change-state.read-failed';
      readonly failure: Failure;
      readonly jobs: readonly JobInForce[];
    }
  /** Settle `postStartMessage`: Gerrit has it; nobody knows. */
  | { readonly type: 'start-message.posted' }
  | { readonly type: 'start-message.post-failed'; readonly failure: Failure }
  /**
   * Settle `postReview`: Gerrit has it (found: it was there already; voted: with the vote that was asked for, if any; why:
   * why not, '' where nothing kept a vote back); Gerrit refused the vote; no answer or an error.
   */
  | {
      readonly type: 'review.posted';
      readonly found: boolean;
      readonly voted: boolean;
      readonly why: string;
    }
  | { readonly type: 'vote.rejected'; readonly failure: Failure }
  | { readonly type: 'review.post-failed'; readonly failure: Failure }
  /** Settle `readVotes`: our account's votes on the patchset, by label. */
  | { readonly type: 'votes.read'; readonly votes: Readonly<Record<string, number>> }
  | { readonly type: 'votes.read-failed'; readonly failure: Failure }
  /** Settle `sendMail`: another host has it; it did not go. */
  | { readonly type: 'mail.sent' }
  | { readonly type: 'mail.send-failed'; readonly failure: Failure }
  | { readonly type: 'review.cancelled'; readonly reason: string }
  | { readonly type: 'review.superseded'; readonly by: string };

/** Waits and limits of a publication that is made after its job has ended. */
export interface PublicationLimits {
  /** Before the second attempt; doubles, up to the longest. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** From its beginning until it is given up. */
  readonly ageMs: number;
}

/** Facts of a history `publication-JOB`: evidence that could not be published while its job waited. */
export type PublicationEvent =
  | CommonEvent
  | {
      readonly type: 'publication.opened';
      readonly review: string;
      readonly publish: PublishSpec;
      /** Where it will be published. */
      readonly url: string;
      /** Size of what was collected. */
      readonly bytes: number;
      /** Why it was not published at once. */
      readonly why: string;
      readonly limits: PublicationLimits;
    }
  /** All such histories together hold too much, and this is the oldest. */
  | { readonly type: 'publication.dropped'; readonly why: string }
  | Extract<
      JobEvent,
      {
        readonly type:
          | 'evidence.published'
          | 'evidence.publish-failed'
          | 'evidence.discarded'
          | 'evidence.discard-failed';
      }
    >;

/** Facts of the one history `voting`: whether this CI may vote. */
export type VotingEvent =
  | CommonEvent
  /** A database has its first daemon that knows of it. */
  | { readonly type: 'voting.opened' }
  /** A review has its result, and asks before it votes. */
  | {
      readonly type: 'vote.requested';
      readonly review: string;
      readonly change: number;
      readonly judgement: Judgement;
      /** Failures on so many changes in a row stop voting. */
      readonly stopAfter: number;
    }
  /** An operator has seen to it: failures are counted again. */
  | { readonly type: 'voting.resumed'; readonly by: string; readonly why: string };

/** Every wait and retry of the connection to Gerrit's stream that its history decides on. */
export interface StreamLimits {
  /** Down for longer than this, the operator is told. */
  readonly downAlarmMs: number;
  /** For one look at all that may have been missed. */
  readonly catchUpTimeoutMs: number;
  /** Before such a look is tried again; doubles, up to the longest. Tried until it works: giving up would lose events. */
  readonly catchUpRetryMs: number;
  readonly catchUpRetryMaxMs: number;
  /** Failures in a row after which the operator is told. */
  readonly catchUpAlarmAttempts: number;
  /** After the look that follows a new connection: until one more, for what Gerrit did not show yet. */
  readonly catchUpAgainMs: number;
}

/** Facts of the one history `stream`: the connection to Gerrit, and whether anything was missed meanwhile. */
export type StreamEvent =
  | CommonEvent
  /** A daemon begins to listen, with these limits. */
  | {
      readonly type: 'stream.started';
      /** HOST:PORT */
      readonly server: string;
      readonly limits: StreamLimits;
      /** An operator wants all from then on to be looked at again; null: from where the last daemon had come. */
      readonly since: number | null;
    }
  /** Gerrit has answered on the connection that the stream runs on. */
  | { readonly type: 'stream.connected'; readonly why: string }
  /** The connection ended, or could not be made; sos-ci retries automatically. */
  | { readonly type: 'stream.disconnected'; readonly why: string; readonly hint: string }
  /** Gerrit does not let us in (account, key, host key, missing right): tried again only very slowly. */
  | { readonly type: 'stream.rejected'; readonly why: string; readonly hint: string }
  /** The connection stands, and something may have been missed all the same; null: on any change. */
  | {
      readonly type: 'stream.gap-suspected';
      readonly why: string;
      readonly changes: readonly number[] | null;
    }
  /** The daemon listens no more. */
  | { readonly type: 'stream.stopped' }
  /** Settle `catchUp`: all that was missed has been taken; it could not be looked up. */
  | {
      readonly type: 'catchup.completed';
      /** From when on it was looked at, epoch ms. */
      readonly since: number;
      /** Changes that were looked at. */
      readonly changes: number;
      /** What the stream had not told of. */
      readonly found: number;
      /** Changes on which the stream told of the same meanwhile: they must be looked at once more. */
      readonly unsure: readonly number[];
      /** Rows of Gerrit's answer that could not be read. */
      readonly unread: number;
    }
  | { readonly type: 'catchup.failed'; readonly failure: Failure };

export type AnyEvent = JobEvent | ReviewEvent | PublicationEvent | StreamEvent | VotingEvent | VerdictsEvent;
export type EventType = AnyEvent['type'];
