/** What every state of review@1 is written with: context, guards and actions, as for job@1. */
import { assign, setup } from 'xstate';
import type { Alarm } from '../model/alarm.ts';
import { backoff } from '../model/backoff.ts';
import type { Dependency, Failure, JobReport, MergedTree, Patchset, PreparePlan } from '../model/domain.ts';
import { isQuiet } from '../model/judge-review.ts';
import type { ReportSpec } from '../model/report-spec.ts';
import { actionsFor, type StepMeta } from '../protocol/actions.ts';
import type { Effect } from '../protocol/effects.ts';
import type { ReviewEvent } from '../protocol/events.ts';
import type { ReviewJob } from '../trigger/rules/files.ts';
import { verdictsOf } from '../verdicts/verdicts.ts';
import type { MailSpec } from './mail.ts';
import {
  isReady,
  isVeto,
  type Skip,
  satisfiesHold,
  skippedJobs,
  unmetPrecondition,
} from './preconditions.ts';
import { isShown, type SentVote, type Weighed } from './vote.ts';

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
  /** Look-ups so far; they make the keys of their effects unique. */
  readonly lookUps: number;
  readonly lookUpAttempt: number;
  readonly mergeAttempt: number;
  /** The vote that the plan waits for has come, or was waited for long enough. */
  readonly held: boolean;
  readonly dependencies: readonly Dependency[];
  /** Jobs that have nothing to do with what the patchset touches. */
  readonly skipped: readonly Skip[];
  /** What is tested; empty: the patchset as it was uploaded. */
  readonly trees: readonly MergedTree[];
  /** It does not merge. Its author sees that in Gerrit too, and is not told by every CI. */
  readonly conflicted: boolean;
  /** It was work in progress, or private: nothing was run, and when it is shown it may be started after all. */
  readonly hidden?: true;
  readonly reports: readonly JobReport[];
  /** The wait for the jobs is over: what is there is posted. */
  readonly overdue: boolean;
  readonly postAttempt: number;
  readonly confirmAttempt: number;
  readonly mailAttempt: number;
  /** Gerrit refused our vote: the message goes without one. */
  readonly voteless: boolean;
  /** Why this CI may not vote, so that the message goes without one; '': it may, as far as was asked. */
  readonly withheld: string;
  /** It did not get its turn in time, and other reviews of the change may post beside it: nothing positive is voted. */
  readonly turnless: boolean;
  /** Questions for the vote that stands; they make the keys of their effects unique. */
  readonly readings: number;
  readonly readAttempt: number;
  /** What the vote is computed from; null: not learned yet. */
  readonly weighed: Weighed | null;
  /** Null until it posts. */
  readonly sent: SentVote | null;
  /** Superseded or cancelled while a post was on its way: do not try again. */
  readonly withdrawn: boolean;
  readonly outcome: ReviewOutcome | null;
  readonly alarm: Extract<Effect, { type: 'raiseAlarm' }> | null;
  readonly alarms: number;
  /** An internal error has sent it to its alarm: the next one parks it. */
  readonly failed?: true;
  readonly crashes: number;
}

export type ReviewMachineEvent = ReviewEvent & StepMeta;
export interface ReviewArgs {
  readonly context: ReviewContext;
  readonly event: ReviewMachineEvent;
}

export const { request, update, deadline } = actionsFor<ReviewContext, ReviewEvent>();

/** How the review ends. */
export function finish(outcome: ReviewOutcome) {
  return update(() => ({ outcome }));
}

/** Prepares the alarm that the state alarming raises, told in the words of the failure that led there. */
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
    objectionable: ({ context, event }) =>
      event.type === 'change.looked-up' && unmetPrecondition(context, event.change) !== null,
    nothingTouched: ({ context, event }) =>
      event.type === 'change.looked-up' &&
      context.jobs.length > 0 &&
      skippedJobs(context, event.change).length === context.jobs.length,
    mustHold: ({ context, event }) => event.type === 'change.looked-up' && !isReady(context, event.change),
    mustMerge: ({ context }) => context.plan.merge,
    mayLookUpAgain: ({ context, event }) =>
      mayHelp(event) && context.lookUpAttempt < context.plan.lookUpAttempts,
    mayMergeAgain: ({ context, event }) =>
      mayHelp(event) && context.mergeAttempt < context.plan.mergeAttempts,
    awaitedVote: ({ context, event }) =>
      event.type === 'vote.cast' && satisfiesHold(event.vote, context.plan.hold),
    unwelcomeVote: ({ context, event }) =>
      event.type === 'vote.cast' && isVeto(event.vote, context.plan.hold),
    allReported: ({ context }) => context.jobs.every(({ job }) => hasReported(context, job)),
    nothingPending: ({ context }) => context.reports.every(({ evidence }) => evidence !== 'pending'),
    waitedLongEnough: ({ context }) => context.overdue && context.reports.length > 0,
    nothingToSay: ({ context }) => isQuiet(context.reports, context.conflicted, context.report.suppress),
    /** Also where the result is nothing to count: what other runs came to may be voted all the same. */
    asksFirst: ({ context }) => context.report.maxConsecutiveFailures > 0 && votes(context),
    votes: ({ context }) => votes(context),
    mayReadAgain: ({ context, event }) => mayHelp(event) && context.readAttempt < context.report.postAttempts,
    shadow: ({ context }) => !context.report.enabled,
    finished: ({ context }) => context.outcome !== null,
    withdrawn: ({ context }) => context.withdrawn,
    mayRetryPost: ({ context, event }) =>
      event.type === 'review.post-failed' &&
      event.failure.retryable &&
      context.postAttempt < context.report.postAttempts,
    voteless: ({ context }) => context.voteless,
    hasVote: ({ context, event }) => {
      // Rows from before the field was there count as voted.
      const leftOut = event.type === 'review.posted' && event.voted === false;
      return !leftOut && Object.keys(context.sent?.labels ?? {}).length > 0;
    },
    voteIsThere: ({ context, event }) =>
      event.type === 'votes.read' && context.sent !== null && isShown(context.sent, event.votes),
    mayMailAgain: ({ context, event }) =>
      mayHelp(event) && context.mailAttempt < (context.mail?.attempts ?? 0),
    mayRetryConfirm: ({ context }) => context.confirmAttempt < context.report.confirmAttempts,
    crashedBefore: ({ context }) => context.crashes > 0,
    failedBefore: ({ context }) => context.failed === true,
  },
});

/** Whether trying again can help, as the adapter that failed knows it. */
function mayHelp(event: ReviewMachineEvent): boolean {
  return !('failure' in event) || event.failure.retryable;
}

/** Keeps a job's report, the first for each job. */
export const keepReport = {
  type: 'update',
  params: ({ context, event }: ReviewArgs): Partial<ReviewContext> => {
    if (event.type !== 'job.reported' || hasReported(context, event.report.job)) return {};
    return { reports: [...context.reports, event.report] };
  },
} as const;

/** Keeps what became of evidence that was pending. */
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

function votes({ report, voteless }: ReviewContext): boolean {
  return report.label !== null && !voteless;
}

/** Tells the history of the change's verdicts. */
export const tellVerdict = request(({ context, event }) => {
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

/** At every end of a review: the next one of the change may post. */
export const leave = request(({ context: { patchset, review } }) => ({
  type: 'sendEvent',
  to: verdictsOf(patchset),
  event: { type: 'review.ended', review },
}));

/** Tells the job that its verdict has been taken. */
export const answerJob = request(({ event }) =>
  event.type === 'job.reported'
    ? { type: 'sendEvent', to: event.report.job, event: { type: 'verdict.accepted' } }
    : null,
);

/** Passes a cancel or supersede on to the jobs that have not handed over; nobody waits for them either when the review itself breaks. */
export const tellJobs = request(({ context, event }) => {
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
        message: `Gerrit took the message but not the vote ${JSON.stringify(context.sent?.labels ?? {})}`,
        hint: 'does the project have this label, and may our account vote this value?',
      };
    case 'timer.fired':
      return {
        message: 'Gerrit did not say whether it took the vote',
        hint: 'look at the change: is our vote there?',
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
