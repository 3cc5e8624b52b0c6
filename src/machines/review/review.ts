/**
 * review@1: the comment on one patchset in one pipeline. It prepares the patchset, waits for the verdicts of its jobs
 * (or a deadline), posts one comment, and reads the vote back, because Gerrit drops an unknown label silently. If
 * Gerrit is unavailable, posting is retried for hours. Before each retry the reviewer checks whether the message is
 * already there.
 */

import type { JobReport } from '../model/domain.ts';
import { assertFirstEvent } from '../protocol/actions.ts';
import { once } from '../protocol/once.ts';
import {
  acceptVerdict,
  cancelOpenJobs,
  deadline,
  finish,
  keepEvidence,
  keepReport,
  type ReviewArgs,
  type ReviewContext,
  type ReviewMachineEvent,
  recordVerdict,
  request,
  reviewSetup,
  sendReviewEnded,
  update,
  withAlarm,
} from './machine-setup.ts';
import { mailAnswers, mailEnd } from './mail-outcome.ts';
import { posting } from './posting.ts';
import { preparing } from './preparing.ts';
import { startAnswers } from './start-message.ts';
import { confirmingVote } from './vote-confirmation.ts';
import { computingVote } from './vote-inputs.ts';
import { checkingVotePermission } from './vote-permission.ts';

const waitDeadline = deadline(
  () => 'deadline:awaitingJobs',
  (context) => context.report.jobTimeoutMs,
);
const evidenceDeadline = deadline(
  () => 'deadline:awaitingEvidence',
  (context) => context.report.evidenceWaitMs,
);
const alarmDeadline = deadline(
  (context) => `deadline:raisingAlarm:${context.alarms}`,
  (context) => context.report.postTimeoutMs,
);
const noop = { actions: 'noop' } as const;
const withdraw = { actions: update(() => ({ withdrawn: true })) } as const;
/** Answers that arrive after an internal error or an alarm has changed the state. Only a successful post is kept. */
const lateAnswers = {
  'review.posted': { actions: finish('posted') },
  'review.post-failed': noop,
  'vote.rejected': noop,
  'votes.read': noop,
  'votes.read-failed': noop,
  'alarm.raised': noop,
} as const;
/** Late inputs of a vote. */
const lateVoteInputs = {
  'turn.granted': noop,
  'change-state.read': noop,
  'change-state.read-failed': noop,
  'verdicts.listed': noop,
} as const;
/** Late answers to preparation requests that no state waits for. */
const latePreparation = {
  'change.looked-up': noop,
  'change.lookup-failed': noop,
  'patchset.merged': noop,
  'patchset.conflicted': noop,
  'patchset.merge-failed': noop,
  'vote.cast': noop,
} as const;
const eventsAfterEnd = {
  ...lateAnswers,
  // A job that reports after the deadline gets its answer, so that it can continue with its cleanup.
  'job.reported': { actions: [acceptVerdict, recordVerdict] },
  'job.evidence-published': noop,
  'job.evidence-abandoned': noop,
  'review.superseded': noop,
  'review.cancelled': noop,
  'machine.failed': noop,
  'machine.quarantine-failed': noop,
  'daemon.crashed': noop,
} as const;
/** Superseded or cancelled before anything was posted. */
const withdrawnBeforePost = {
  'review.superseded': { target: '#review.done', actions: [finish('withdrawn'), cancelOpenJobs] },
  'review.cancelled': { target: '#review.done', actions: [finish('withdrawn'), cancelOpenJobs] },
} as const;
const acceptReport = { actions: [keepReport, acceptVerdict, recordVerdict] } as const;

const afterAlarm = [
  { guard: 'finished', target: 'done' },
  { guard: 'withdrawn', target: 'done', actions: finish('withdrawn') },
  { target: 'posting' },
] as const;

const config = {
  id: 'review',
  context: ({ input }) => firstContext(input),
  initial: 'preparing',
  on: {
    ...latePreparation,
    ...lateVoteInputs,
    ...startAnswers,
    'vote.allowed': noop,
    'vote.withheld': noop,
    'job.reported': acceptReport,
    'job.evidence-published': { actions: keepEvidence },
    'job.evidence-abandoned': { actions: keepEvidence },
    'machine.failed': [
      { guard: 'failedBefore', target: '.parked', actions: [finish('parked'), cancelOpenJobs] },
      {
        target: '.raisingAlarm',
        actions: [
          update(() => ({ failed: true })),
          finish('post-failed'),
          withAlarm('review-post-failed'),
          cancelOpenJobs,
        ],
      },
    ],
    // The other path to parked runs code that may have thrown the error. Cancels all jobs, also those that have
    // reported.
    'machine.quarantine-failed': { target: '.parked', actions: [finish('parked'), request(cancelAll)] },
    'daemon.crashed': [
      { guard: 'crashedBefore', target: '.parked', actions: [finish('parked'), cancelOpenJobs] },
      { actions: update(({ context }) => ({ crashes: context.crashes + 1 })) },
    ],
  },
  states: {
    preparing: { ...preparing, on: withdrawnBeforePost },
    awaitingJobs: {
      tags: 'jobs-pending',
      entry: waitDeadline.arm,
      exit: waitDeadline.disarm,
      always: [
        { guard: 'allReported', target: 'awaitingEvidence' },
        {
          guard: 'waitedLongEnough',
          target: 'awaitingEvidence',
          actions: update(({ context }) => fillMissing(context)),
        },
      ],
      on: {
        // Without any result it waits for the first one: every job ends and reports eventually.
        'timer.fired': { actions: update(() => ({ overdue: true })) },
        ...withdrawnBeforePost,
      },
    },
    awaitingEvidence: {
      entry: evidenceDeadline.arm,
      exit: evidenceDeadline.disarm,
      always: { guard: 'nothingPending', target: 'verdictsComplete' },
      on: { 'timer.fired': 'verdictsComplete', ...withdrawnBeforePost },
    },
    verdictsComplete: {
      always: [{ guard: 'needsPermission', target: 'checkingVotePermission' }, { target: 'permissionKnown' }],
    },
    checkingVotePermission: {
      ...checkingVotePermission,
      on: { ...checkingVotePermission.on, ...withdrawnBeforePost },
    },
    permissionKnown: {
      always: [
        { guard: 'suppressed', target: 'done', actions: finish('suppressed') },
        { guard: 'shadow', target: 'done', actions: finish('shadow') },
        { guard: 'mayVote', target: 'computingVote' },
        { target: 'posting' },
      ],
    },
    computingVote: { ...computingVote, on: withdrawnBeforePost },
    posting,
    confirmingVote,
    raisingAlarm: {
      entry: [request(({ context }) => context.alarm), alarmDeadline.arm],
      exit: alarmDeadline.disarm,
      on: {
        ...lateAnswers,
        'alarm.raised': afterAlarm,
        'timer.fired': afterAlarm,
        'review.superseded': withdraw,
        'review.cancelled': withdraw,
      },
    },
    done: {
      tags: 'ended',
      entry: [sendReviewEnded, mailEnd],
      on: { ...eventsAfterEnd, ...mailAnswers },
    },
    parked: {
      tags: 'ended',
      entry: [sendReviewEnded, request(({ context }) => parked(context))],
      on: eventsAfterEnd,
    },
  },
} satisfies Parameters<typeof reviewSetup.createMachine>[0];

export const reviewMachine = once(() => reviewSetup.createMachine(config));

function firstContext(opened: ReviewMachineEvent): ReviewContext {
  assertFirstEvent(opened);
  if (opened.type !== 'review.opened')
    throw new Error(`a review begins with review.opened, not ${opened.type}`);
  return {
    review: opened.review,
    pipeline: opened.pipeline,
    patchset: opened.patchset,
    jobs: opened.jobs,
    plan: opened.plan,
    report: opened.report,
    mail: opened.mail ?? null,
    openedAt: opened.at,
    lookUps: 0,
    lookUpAttempt: 1,
    mergeAttempt: 1,
    waitIsOver: false,
    dependencies: [],
    skipped: [],
    trees: [],
    conflicted: false,
    reports: [],
    overdue: false,
    postAttempt: 1,
    confirmAttempt: 1,
    mailAttempt: 1,
    voteRefused: false,
    withheld: '',
    turnTimedOut: false,
    readings: 0,
    readAttempt: 1,
    voteInputs: null,
    sent: null,
    withdrawn: false,
    outcome: null,
    alarm: null,
    alarms: 0,
    crashes: 0,
  };
}

/** Adds an ABORTED report for each job that has not reported by the deadline, so that the comment names it. */
function fillMissing(context: ReviewContext): Partial<ReviewContext> {
  const missing = context.jobs
    .filter(({ job }) => !context.reports.some((report) => report.job === job))
    .map(
      ({ job, name, voting }): JobReport => ({
        job,
        name,
        voting,
        verdict: 'ABORTED',
        reason: 'no verdict in time',
        lastLine: null,
        evidence: 'none',
        url: null,
        durationMs: context.report.jobTimeoutMs,
        results: null,
      }),
    );
  return { reports: [...context.reports, ...missing] };
}

function cancelAll({ context }: ReviewArgs) {
  const event = { type: 'job.cancelled', reason: 'its review ended by an internal error' } as const;
  return context.jobs.map(({ job }) => ({ type: 'sendEvent', to: job, event }) as const);
}

function parked(context: ReviewContext) {
  return {
    type: 'raiseAlarm',
    key: 'alarm:parked',
    alarm: {
      kind: 'review-post-failed',
      target: `change ${context.patchset.change},${context.patchset.patchset}`,
      message: 'this review is parked: internal errors, or it crashed the daemon twice',
      hint: `sos-ci history ${context.review} shows the rows; report a bug`,
    },
  } as const;
}
