/**
 * Events. Every row of the event log is one of these, named after what happened, such as `patchset.merge-failed`. All
 * unions are closed and plain JSON; names and fields are stored forever, so a change of meaning is a new event, not an
 * edit.
 */

import type { HoldEvent } from '../hold/hold-events.ts';
import type { JanitorEvent } from '../janitor/janitor-events.ts';
import type {
  AccountVote,
  ChangeState,
  Dependency,
  Failure,
  JobReport,
  JobSpec,
  Leak,
  MergedTree,
  Patchset,
  PreparePlan,
  ResolvedChange,
  ResultsSummary,
  Server,
  Sibling,
  Stage,
  StageEnd,
} from '../model/domain.ts';
import type { ServerFacts, StageFacts } from '../model/environment.ts';
import type { Judgement } from '../model/judge-review.ts';
import type { ReportSpec } from '../model/report-spec.ts';
import type { Verdict } from '../model/verdict.ts';
import type { MailSpec } from '../review/mail.ts';
import type { ArchiveEvent } from '../system/archive.ts';
import type { StartCause } from '../trigger/rules/cause.ts';
import type { ReviewJob } from '../trigger/rules/files.ts';
import type { VerdictsEvent } from '../verdicts/verdict-events.ts';
import type { ActiveJob, VoteRun } from '../verdicts/vote-rule.ts';
import type { PublishSpec } from './effects.ts';
import type { HistorySnapshot } from './row.ts';

/** Events that any machine may receive. */
export type CommonEvent =
  /** A timer of the machine is due. Settles `setTimer`. */
  | { readonly type: 'timer.fired'; readonly timer: string }
  /** The machine threw while it processed an event: the history is quarantined and goes to its cleanup. */
  | { readonly type: 'machine.failed'; readonly event: string; readonly message: string }
  /** The quarantine threw too: the history is parked as it is, by a transition that computes nothing. */
  | { readonly type: 'machine.quarantine-failed'; readonly event: string; readonly message: string }
  /** The daemon crashed while it worked on this history. After the second crash the history is parked. */
  | { readonly type: 'daemon.crashed'; readonly during: string; readonly message: string }
  /** Settles `raiseAlarm`. */
  | { readonly type: 'alarm.raised' };

/** Repeats the state of a history, so that the rows before this one may leave the database. No machine receives it. */
export interface ContinuedEvent {
  readonly type: 'history.continued';
  readonly from: Omit<HistorySnapshot, 'history' | 'machine' | 'state' | 'pending' | 'hash'>;
  /** The hash of the row before this one. */
  readonly head: string;
}

export type JobEvent =
  | CommonEvent
  | {
      readonly type: 'job.accepted';
      readonly job: string;
      readonly review: string;
      readonly deployment: string;
      readonly patchset: Patchset;
      readonly spec: JobSpec;
      /** The other jobs of its review; absent: none. */
      readonly siblings?: readonly Sibling[];
    }
  /** Its review has looked up and merged the change: the job may wait for a slot. `trees`: the commits to test. */
  | {
      readonly type: 'job.ready';
      readonly trees: readonly MergedTree[];
      /** The open changes that are merged in too; absent: none. */
      readonly dependencies?: readonly Dependency[];
    }
  /** Its review found that there is nothing to run, or that the job cannot run. */
  | {
      readonly type: 'job.rejected';
      readonly verdict: Extract<Verdict, 'MERGER_FAILURE' | 'NODE_FAILURE' | 'SKIPPED' | 'ABORTED'>;
      readonly reason: string;
    }
  /** An operator moved it to the head of the queue. */
  | { readonly type: 'job.promoted'; readonly by: string; readonly why: string }
  /** Settles `acquireSlot`. */
  | { readonly type: 'slot.granted' }
  /** Settles `createServer`. */
  | {
      readonly type: 'server.active';
      readonly server: Server;
      readonly adopted: boolean;
      /** Absent: unknown. */
      readonly facts?: ServerFacts;
    }
  | { readonly type: 'server.create-failed'; readonly failure: Failure }
  /** Settles `fetchPatchset`. */
  | { readonly type: 'patchset.fetched'; readonly revision: string }
  | { readonly type: 'patchset.fetch-failed'; readonly failure: Failure }
  /** Settles nothing: the command runs, with this process id. */
  | { readonly type: 'stage.started'; readonly stage: Stage; readonly pid: number; readonly adopted: boolean }
  /** Settles `runStage`: the command ended. */
  | {
      readonly type: 'stage.exited';
      readonly stage: Stage;
      readonly end: StageEnd;
      /** Its last line of output, if it failed and the line is known. */
      readonly lastLine?: string;
      /** What it reports about itself; absent: nothing. */
      readonly facts?: StageFacts;
    }
  /** Settles `runStage`: the command vanished without an exit status. */
  | {
      readonly type: 'stage.lost';
      readonly stage: Stage;
      readonly why: string;
      /** The provider says that the server is gone: nothing can be collected from it. */
      readonly serverGone?: true;
    }
  /** Settles `runStage`: the command could not be started. */
  | { readonly type: 'stage.start-failed'; readonly stage: Stage; readonly failure: Failure }
  /** Settles `stopStage`. */
  | { readonly type: 'stage.stopped'; readonly stage: Stage }
  | { readonly type: 'stage.stop-failed'; readonly stage: Stage; readonly failure: Failure }
  /** Settles `readResults`. */
  | { readonly type: 'results.read'; readonly results: ResultsSummary }
  | { readonly type: 'results.read-failed'; readonly why: string }
  /** Settles `collectEvidence`. */
  | {
      readonly type: 'evidence.collected';
      readonly files: number;
      readonly bytes: number;
      readonly skipped: number;
      /** The URL that the evidence will have. */
      readonly url: string;
    }
  | { readonly type: 'evidence.collect-failed'; readonly failure: Failure }
  /** Settles `publishEvidence`. The publication history also sends `evidence.published`, which then settles nothing. */
  | { readonly type: 'evidence.published'; readonly url: string }
  | { readonly type: 'evidence.publish-failed'; readonly failure: Failure }
  /** The publication history gave up: the evidence is lost. */
  | { readonly type: 'evidence.abandoned'; readonly why: string }
  /** The review has recorded this job's verdict. */
  | { readonly type: 'verdict.accepted' }
  /** Settles `deleteServer`: no server of this job is left. */
  | { readonly type: 'server.deleted'; readonly deleted: number }
  /** Settles `deleteServer`: a server may be left. */
  | { readonly type: 'server.delete-failed'; readonly failure: Failure }
  /**
   * A hold wants its server when the job has failed, or with `always` however it ends. In its cleanup the job offers
   * it.
   */
  | { readonly type: 'job.hold-requested'; readonly hold: string; readonly always: boolean }
  /** The hold's answers: it owns the server from now on; it does not want it any more. */
  | { readonly type: 'server.handed-over'; readonly hold: string }
  | { readonly type: 'server.offer-refused' }
  /** Settles `discardEvidence`. */
  | { readonly type: 'evidence.discarded' }
  | { readonly type: 'evidence.discard-failed'; readonly failure: Failure }
  /** The sweep (`by` null) or an operator found what the ended job left behind, and removes it now. */
  | { readonly type: 'leak.found'; readonly leak: Leak; readonly by: string | null; readonly why: string }
  /** Settle `removeLeak`: nothing of it is left; the removal failed. */
  | { readonly type: 'leak.removed'; readonly leak: Leak; readonly by: string | null }
  | { readonly type: 'leak.remove-failed'; readonly leak: Leak; readonly failure: Failure }
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
      /** Absent: an operator started it. */
      readonly cause?: StartCause;
      readonly jobs: readonly ReviewJob[];
      readonly plan: PreparePlan;
      readonly report: ReportSpec;
      /** The mail at its end; absent: none. */
      readonly mail?: MailSpec;
    }
  /** Settles `lookUpChange`: the current state of the change. */
  | { readonly type: 'change.looked-up'; readonly change: ResolvedChange }
  | { readonly type: 'change.lookup-failed'; readonly failure: Failure }
  /** A vote on the patchset while the review waits for one. */
  | { readonly type: 'vote.cast'; readonly vote: AccountVote }
  /** Settles `mergePatchset`. */
  | { readonly type: 'patchset.merged'; readonly trees: readonly MergedTree[] }
  | {
      readonly type: 'patchset.conflicted';
      /** The change that does not merge: the patchset itself or one of its dependencies. */
      readonly project: string;
      readonly change: number;
      readonly branch: string;
      /** The first few conflicting paths. */
      readonly files: readonly string[];
    }
  | { readonly type: 'patchset.merge-failed'; readonly failure: Failure }
  | { readonly type: 'job.reported'; readonly report: JobReport }
  /** Evidence that was pending is published. */
  | { readonly type: 'job.evidence-published'; readonly job: string; readonly url: string }
  /** The publication of pending evidence was given up. */
  | { readonly type: 'job.evidence-abandoned'; readonly job: string; readonly why: string }
  /** The voting history answers that this CI may vote. */
  | { readonly type: 'vote.allowed' }
  /** The voting history answers that it may not, after too many failures in a row. */
  | { readonly type: 'vote.withheld'; readonly why: string }
  /** The verdicts history of the change answers that no other review of it is posting now. */
  | { readonly type: 'turn.granted' }
  /** The verdicts history of the change answers with the results of its runs. */
  | { readonly type: 'verdicts.listed'; readonly runs: readonly VoteRun[]; readonly prunedUpTo: number }
  /** Settles `readChangeState`: the change just before the post, and the jobs of the current configuration. */
  | {
      readonly type: 'change-state.read';
      readonly change: ChangeState;
      readonly jobs: readonly ActiveJob[];
    }
  | {
      readonly type: 'change-state.read-failed';
      readonly failure: Failure;
      readonly jobs: readonly ActiveJob[];
    }
  /** Settles `postStartMessage`: Gerrit accepted it. */
  | { readonly type: 'start-message.posted' }
  /** Settles `postStartMessage`: it is unknown whether Gerrit accepted it. */
  | { readonly type: 'start-message.post-failed'; readonly failure: Failure }
  /** Settles `postReview`: Gerrit has it. */
  | {
      readonly type: 'review.posted';
      /** It was there already. */
      readonly found: boolean;
      /** The requested vote, if any, was posted with it. */
      readonly voted: boolean;
      /** Why the vote was held back; '' if it was not. */
      readonly why: string;
    }
  /** Settles `postReview`: Gerrit refused the vote. */
  | { readonly type: 'vote.rejected'; readonly failure: Failure }
  /** Settles `postReview`: no answer, or an error. */
  | { readonly type: 'review.post-failed'; readonly failure: Failure }
  /** Settles `readVotes`: our account's votes on the patchset, by label. */
  | { readonly type: 'votes.read'; readonly votes: Readonly<Record<string, number>> }
  | { readonly type: 'votes.read-failed'; readonly failure: Failure }
  /** Settles `sendMail`: the mail server or the mail program accepted it. */
  | { readonly type: 'mail.sent' }
  | { readonly type: 'mail.send-failed'; readonly failure: Failure }
  | { readonly type: 'review.cancelled'; readonly reason: string }
  | { readonly type: 'review.superseded'; readonly by: string };

/** Waits and limits of a publication that continues after its job has ended. */
export interface PublicationLimits {
  /** Wait before the second attempt; doubles up to a maximum. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** Time from its start until it is given up. */
  readonly ageMs: number;
}

/** Events of a history `publication-JOB`: evidence that could not be published while its job waited. */
export type PublicationEvent =
  | CommonEvent
  | {
      readonly type: 'publication.opened';
      readonly review: string;
      readonly publish: PublishSpec;
      /** The URL that the evidence will have. */
      readonly url: string;
      /** Size of the collected evidence. */
      readonly bytes: number;
      /** Why it was not published immediately. */
      readonly why: string;
      readonly limits: PublicationLimits;
    }
  /** All publications together exceed their size limit, and this is the oldest. */
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

/** Events of the one history `voting`: whether this CI may vote. */
export type VotingEvent =
  | CommonEvent
  /** A daemon that supports this history opened the database for the first time. */
  | { readonly type: 'voting.opened' }
  /** A review that has its result requests the permission to vote. */
  | {
      readonly type: 'vote.requested';
      readonly review: string;
      readonly change: number;
      readonly judgement: Judgement;
      /** Voting stops after failures on this many changes in a row. */
      readonly stopAfter: number;
    }
  /** An operator resumed voting: the count of failures starts again. */
  | { readonly type: 'voting.resumed'; readonly by: string; readonly why: string };

/** The waits and retries of the history `stream`. */
export interface StreamLimits {
  /** An alarm is raised if the connection is down for longer than this. */
  readonly downAlarmMs: number;
  /** Timeout of one catch-up query. */
  readonly catchUpTimeoutMs: number;
  /**
   * Wait before a failed catch-up is retried; doubles up to a maximum. Retried without end, because giving up would
   * lose events.
   */
  readonly catchUpRetryMs: number;
  readonly catchUpRetryMaxMs: number;
  /** Failures in a row before an alarm is raised. */
  readonly catchUpAlarmAttempts: number;
  /** Wait between the catch-up after a new connection and a second one, for events that Gerrit had not shown yet. */
  readonly catchUpAgainMs: number;
}

/** Events of the one history `stream`: the connection to Gerrit, and whether events were missed. */
export type StreamEvent =
  | CommonEvent
  /** A daemon starts listening, with these limits. */
  | {
      readonly type: 'stream.started';
      /** HOST:PORT */
      readonly server: string;
      readonly limits: StreamLimits;
      /**
       * An operator requests that everything since then is checked; null: continue from the last daemon's position.
       */
      readonly since: number | null;
    }
  /** Gerrit answered on the stream's connection. */
  | { readonly type: 'stream.connected'; readonly why: string }
  /** The connection ended or failed; sos-ci retries automatically. */
  | { readonly type: 'stream.disconnected'; readonly why: string; readonly hint: string }
  /** Gerrit refused access (account, key, host key, missing permission): retried only at long intervals. */
  | { readonly type: 'stream.rejected'; readonly why: string; readonly hint: string }
  /** Events of `changes` (null: of any change) may have been missed although the connection is up. */
  | {
      readonly type: 'stream.gap-suspected';
      readonly why: string;
      readonly changes: readonly number[] | null;
    }
  /** The daemon stopped listening. */
  | { readonly type: 'stream.stopped' }
  /** Settles `catchUp`: all missed events are handled. */
  | {
      readonly type: 'catchup.completed';
      /** Start of the period that was checked, epoch ms. */
      readonly since: number;
      /** Number of changes that were checked. */
      readonly changes: number;
      /** Number of events that the stream had not delivered. */
      readonly found: number;
      /**
       * Changes for which, during the query, the stream delivered events that look the same as those found: they must
       * be checked again.
       */
      readonly ambiguous: readonly number[];
      /** Rows of Gerrit's answer that could not be parsed. */
      readonly unparsed: number;
    }
  /** Settles `catchUp`: the query failed. */
  | { readonly type: 'catchup.failed'; readonly failure: Failure };

export type { ArchiveEvent };

export type AnyEvent =
  | JobEvent
  | ReviewEvent
  | PublicationEvent
  | HoldEvent
  | JanitorEvent
  | StreamEvent
  | VotingEvent
  | VerdictsEvent
  | ArchiveEvent
  | ContinuedEvent;
export type EventType = AnyEvent['type'];
