/** The setup of every state of review@1: context, guards and actions. */
import { assign, setup } from 'xstate';
import type { Alarm } from '../model/alarm.ts';
import { backoff } from '../model/backoff.ts';
import type { Dependency, Failure, JobReport, MergedTree, Patchset, PreparePlan } from '../model/domain.ts';
import { hasResult, isSuppressed } from '../model/judge-review.ts';
import type { ReportSpec } from '../model/report-spec.ts';
import { actionsFor, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import type { ReviewEvent } from '../protocol/events.ts';
import type { ReviewJob } from '../trigger/rules/files.ts';
import { verdictsOf } from '../verdicts/verdicts.ts';
import type { MailSpec } from './mail.ts';
import {
  isReady,
  isRequiredVote,
  isVeto,
  type Skip,
  skippedJobs,
  unmetPrecondition,
  vetoOf,
} from './preconditions.ts';
import { isShown, type SentVote, type VoteInputs } from './vote.ts';

type ReviewOutcome = 'posted' | 'shadow' | 'suppressed' | 'withdrawn' | 'post-failed' | 'parked';

export interface ReviewContext {
  readonly review: string;
  readonly pipeline: string;
  readonly patchset: Patchset;
  readonly jobs: readonly ReviewJob[];
  readonly plan: PreparePlan;
  readonly report: ReportSpec;
  readonly mail: MailSpec | null;
  readonly openedAt: number;
  /** Lookups so far, which make their effect keys unique. */
  readonly lookUps: number;
  readonly lookUpAttempt: number;
  readonly mergeAttempt: number;
  /** The awaited vote was cast, or the wait for it timed out. */
  readonly waitIsOver: boolean;
  readonly dependencies: readonly Dependency[];
  /** Jobs whose file rules do not match the patchset. */
  readonly skipped: readonly Skip[];
  /** The commits to test; empty: the patchset as uploaded. */
  readonly trees: readonly MergedTree[];
  /** The patchset does not merge. Gerrit shows that to the author, so not every CI has to. */
  readonly conflicted: boolean;
  /**
   * The change was work in progress or private, so nothing ran. The review may start again when the change becomes
   * ready.
   */
  readonly hidden?: true;
  readonly reports: readonly JobReport[];
  /** The deadline for the jobs has passed: the review posts the reports that it has. */
  readonly overdue: boolean;
  readonly postAttempt: number;
  readonly confirmAttempt: number;
  readonly mailAttempt: number;
  /** Gerrit refused our vote: the message is posted without one. */
  readonly voteRefused: boolean;
  /** Why this CI may not vote, so that the message goes without a vote; '': no known reason. */
  readonly withheld: string;
  /**
   * The review did not get its turn in time, so other reviews of the change may post concurrently: it casts no positive
   * vote.
   */
  readonly turnTimedOut: boolean;
  /** Reads of the current vote so far, which make their effect keys unique. */
  readonly readings: number;
  readonly readAttempt: number;
  /** The inputs of the vote; null: not read yet. */
  readonly voteInputs: VoteInputs | null;
  /** Null before the first post. */
  readonly sent: SentVote | null;
  /** Superseded or cancelled during a post: no further attempt. */
  readonly withdrawn: boolean;
  readonly outcome: ReviewOutcome | null;
  readonly alarm: Extract<Effect, { type: 'raiseAlarm' }> | null;
  readonly alarms: number;
  /** An internal error sent the review to its alarm: the next one parks it. */
  readonly failed?: true;
  readonly crashes: number;
}

export type ReviewMachineEvent = ReviewEvent & StepMeta;
export interface ReviewArgs {
  readonly context: ReviewContext;
  readonly event: ReviewMachineEvent;
}

export const { request, update, deadline } = actionsFor<ReviewContext, ReviewEvent>();

/** Sets the outcome of the review. */
export function finish(outcome: ReviewOutcome) {
  return update(() => ({ outcome }));
}

/** Prepares the alarm that the state raisingAlarm raises, from the failure that led there. */
export function withAlarm(kind: Alarm['kind']) {
  return {
    type: 'update',
    params: ({ context, event }: ReviewArgs): Partial<ReviewContext> => ({
      alarms: context.alarms + 1,
      alarm: {
        type: 'raiseAlarm',
        key: `alarm:${context.alarms + 1}`,
        alarm: {
          kind,
          target: `change ${context.patchset.change},${context.patchset.patchset}`,
          ...alarmText(context, event),
        },
      },
    }),
  } as const;
}

export function backoffMs(spec: ReportSpec, attempt: number): number {
  return backoff(attempt, spec.postRetryMs, spec.postRetryMaxMs);
}

export const reviewSetup = setup({
  types: {
    context: {} as ReviewContext,
    events: {} as ReviewMachineEvent,
    input: {} as ReviewMachineEvent,
    tags: {} as
      | 'ended'
      | 'jobs-pending'
      | 'preparing'
      | 'posting'
      | 'post-backoff'
      | 'awaits-vote'
      | 'backoff',
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<ReviewContext>) => changes),
    noop: () => {},
  },
  guards: {
    mustReject: ({ context, event }) =>
      event.type === 'change.looked-up' && unmetPrecondition(context, event.change) !== null,
    allSkipped: ({ context, event }) =>
      event.type === 'change.looked-up' &&
      context.jobs.length > 0 &&
      skippedJobs(context, event.change).length === context.jobs.length,
    vetoed: ({ context, event }) =>
      event.type === 'change.looked-up' && vetoOf(context, event.change) !== null,
    mustAwaitVote: ({ context, event }) =>
      event.type === 'change.looked-up' && !isReady(context, event.change),
    mustMerge: ({ context }) => context.plan.merge,
    mayLookUpAgain: ({ context, event }) =>
      retryMayHelp(event) && context.lookUpAttempt < context.plan.lookUpAttempts,
    mayMergeAgain: ({ context, event }) =>
      retryMayHelp(event) && context.mergeAttempt < context.plan.mergeAttempts,
    awaitedVote: ({ context, event }) =>
      event.type === 'vote.cast' && isRequiredVote(event.vote, context.plan.requiredVote),
    vetoVote: ({ context, event }) =>
      event.type === 'vote.cast' && isVeto(event.vote, context.plan.requiredVote),
    allReported: ({ context }) => context.jobs.every(({ job }) => hasReported(context, job)),
    nothingPending: ({ context }) => context.reports.every(({ evidence }) => evidence !== 'pending'),
    waitedLongEnough: ({ context }) => context.overdue && hasResult(context.reports),
    suppressed: ({ context }) => isSuppressed(context.reports, context.conflicted, context.report.suppress),
    /** Also when this review has no result to count: it may vote because of other runs. */
    needsPermission: ({ context }) => context.report.maxConsecutiveFailures > 0 && votes(context),
    mayVote: ({ context }) => votes(context),
    mayReadAgain: ({ context, event }) =>
      retryMayHelp(event) && context.readAttempt < context.report.postAttempts,
    shadow: ({ context }) => !context.report.enabled,
    finished: ({ context }) => context.outcome !== null,
    withdrawn: ({ context }) => context.withdrawn,
    mayRetryPost: ({ context, event }) =>
      event.type === 'review.post-failed' &&
      event.failure.retryable &&
      context.postAttempt < context.report.postAttempts,
    voteRefused: ({ context }) => context.voteRefused,
    hasVote: ({ context, event }) => {
      // Rows from before this field existed count as voted.
      const leftOut = event.type === 'review.posted' && event.voted === false;
      return !leftOut && Object.keys(context.sent?.labels ?? {}).length > 0;
    },
    voteIsShown: ({ context, event }) =>
      event.type === 'votes.read' && context.sent !== null && isShown(context.sent, event.votes),
    mayMailAgain: ({ context, event }) =>
      retryMayHelp(event) && context.mailAttempt < (context.mail?.attempts ?? 0),
    mayRetryConfirm: ({ context }) => context.confirmAttempt < context.report.confirmAttempts,
    crashedBefore: ({ context }) => context.crashes > 0,
    failedBefore: ({ context }) => context.failed === true,
  },
});

/** Whether a retry can help, according to the adapter that failed. */
function retryMayHelp(event: ReviewMachineEvent): boolean {
  return !('failure' in event) || event.failure.retryable;
}

/** Keeps the first report of each job. */
export const keepReport = {
  type: 'update',
  params: ({ context, event }: ReviewArgs): Partial<ReviewContext> => {
    if (event.type !== 'job.reported' || hasReported(context, event.report.job)) return {};
    return { reports: [...context.reports, event.report] };
  },
} as const;

/** Keeps the final state of pending evidence. */
export const keepEvidence = {
  type: 'update',
  params: ({ context, event }: ReviewArgs): Partial<ReviewContext> => {
    if (event.type !== 'job.evidence-published' && event.type !== 'job.evidence-abandoned') return {};
    const now =
      event.type === 'job.evidence-published'
        ? ({ evidence: 'published', url: event.url } as const)
        : ({ evidence: 'none', url: null } as const);
    return {
      reports: context.reports.map((report) => (report.job === event.job ? { ...report, ...now } : report)),
    };
  },
} as const;

function votes({ report, voteRefused }: ReviewContext): boolean {
  return report.label !== null && !voteRefused;
}

/** Sends the verdict to the verdicts history of the change. */
export const recordVerdict = request(({ context, event }) => {
  if (event.type !== 'job.reported') return null;
  const { job, verdict, url, evidence } = event.report;
  const dependencies = context.dependencies
    .map(({ change, revision }) => `${change}:${revision}`)
    .sort()
    .join(' ');
  const readable = evidence === 'published';
  const ended = { type: 'run.ended', job, verdict, url, dependencies, readable } as const;
  return { type: 'sendEvent', to: verdictsOf(context.patchset), event: ended };
});

/** Sent at every end of a review: the next review of the change may post. */
export const sendReviewEnded = request(({ context: { patchset, review } }) => ({
  type: 'sendEvent',
  to: verdictsOf(patchset),
  event: { type: 'review.ended', review },
}));

/** Confirms to the job that the review has its verdict. */
export const acceptVerdict = request(({ event }) =>
  event.type === 'job.reported'
    ? { type: 'sendEvent', to: event.report.job, event: { type: 'verdict.accepted' } }
    : null,
);

/** Passes a cancel or supersede on to the jobs that have not reported yet. Also used when the review itself fails. */
export const cancelOpenJobs = request(({ context, event }) => {
  const open = context.jobs.filter(({ job }) => !hasReported(context, job));
  if (event.type === 'review.superseded') {
    return open.map(({ job }) => ({
      type: 'sendEvent',
      to: job,
      event: { type: 'job.superseded', by: event.by },
    }));
  }
  if (event.type === 'machine.failed' || event.type === 'daemon.crashed') {
    const reason = `its review ended by an internal error: ${event.message}`;
    return open.map(({ job }) => ({ type: 'sendEvent', to: job, event: { type: 'job.cancelled', reason } }));
  }
  if (event.type === 'review.cancelled') {
    return open.map(({ job }) => ({
      type: 'sendEvent',
      to: job,
      event: { type: 'job.cancelled', reason: event.reason },
    }));
  }
  return null;
});

function hasReported(context: ReviewContext, job: string): boolean {
  return context.reports.some((report) => report.job === job);
}

function alarmText(context: ReviewContext, event: ReviewMachineEvent): { message: string; hint: string } {
  switch (event.type) {
    case 'vote.rejected':
    case 'review.post-failed':
    case 'votes.read-failed':
      return { message: failureText(event.failure), hint: event.failure.hint };
    case 'votes.read':
      return {
        message: `Gerrit accepted the message but dropped the vote ${JSON.stringify(context.sent?.labels ?? {})}`,
        hint: 'check that the project has this label and that our account may vote this value',
      };
    case 'timer.fired':
      return {
        message: 'Gerrit did not confirm the vote',
        hint: 'check whether our vote is on the change',
      };
    case 'machine.failed':
      return {
        message: `internal error at ${event.event}: ${event.message}`,
        hint: `sos-ci history ${context.review} shows the rows; report a bug`,
      };
    default:
      return { message: event.type, hint: `sos-ci history ${context.review} shows the rows` };
  }
}

function failureText(failure: Failure): string {
  return `${failure.operation}: ${failure.message}`;
}
