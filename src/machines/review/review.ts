/**
 * review@1: what we say on one patchset in one pipeline. It prepares the patchset, waits for the verdicts of its jobs (or a deadline), posts
 * one comment, and reads the vote back, because Gerrit drops an unknown label in silence. Posting waits for Gerrit for
 * hours if it must; a message is never posted blindly a second time (the reviewer looks for it first).
 */

import type { JobReport } from '../model/domain.ts';
import { assertInput } from '../protocol/actions.ts';
import {
  answerJob,
  change,
  deadline,
  finish,
  keepEvidence,
  keepReport,
  leave,
  type ReviewArgs,
  type ReviewContext,
  type ReviewMachineEvent,
  request,
  reviewSetup,
  tellJobs,
  tellVerdict,
  withAlarm,
} from './machine-setup.ts';
import { mailAnswers, mailEnd } from './mail-outcome.ts';
import { posting } from './posting.ts';
import { preparing } from './preparing.ts';
import { startAnswers } from './start-message.ts';
import { confirming } from './vote-confirmation.ts';
import { asking } from './vote-permission.ts';
import { weighing } from './weighing.ts';

const waitDeadline = deadline(
  () => 'deadline:waiting',
  (context) => context.report.waitTimeoutMs,
);
const logsDeadline = deadline(
  () => 'deadline:waitingForLogs',
  (context) => context.report.evidenceWaitMs,
);
const alarmDeadline = deadline(
  (context) => `deadline:alarming:${context.alarms}`,
  (context) => context.report.postTimeoutMs,
);
const noted = { actions: 'noted' } as const;
const withdraw = { actions: change(() => ({ withdrawn: true })) } as const;
/** Answers that come when an internal error or an alarm has taken the review elsewhere: what Gerrit says is true all the same. */
const lateAnswers = {
  'review.posted': { actions: finish('posted') },
  'review.unposted': noted,
  'vote.refused': noted,
  'votes.read': noted,
  'votes.unread': noted,
  'alarm.raised': noted,
} as const;
/** What a vote would have been computed from. */
const lateWeights = {
  'turn.granted': noted,
  'standing.read': noted,
  'standing.unread': noted,
  'verdicts.told': noted,
} as const;
/** What the preparation had asked for, or was told, and nobody waits for any more. */
const latePreparation = {
  'change.resolved': noted,
  'change.unresolved': noted,
  'patchset.merged': noted,
  'patchset.conflicted': noted,
  'patchset.unmerged': noted,
  'vote.cast': noted,
} as const;
const saidAtTheEnd = {
  ...lateAnswers,
  // A job that hands over after the deadline is answered, so that it can go on to its clean-up.
  'job.reported': { actions: [answerJob, tellVerdict] },
  'job.published': noted,
  'job.unpublished': noted,
  'review.superseded': noted,
  'review.cancelled': noted,
  'machine.failed': noted,
  'machine.broken': noted,
  'daemon.crashed': noted,
} as const;
/** Nobody waits for this review any more, and nothing was said yet. */
const withdrawnByPeople = {
  'review.superseded': { target: '#review.done', actions: [finish('withdrawn'), tellJobs] },
  'review.cancelled': { target: '#review.done', actions: [finish('withdrawn'), tellJobs] },
} as const;
const acceptReport = { actions: [keepReport, answerJob, tellVerdict] } as const;

const afterAlarm = [
  { guard: 'finished', target: 'done' },
  { guard: 'withdrawn', target: 'done', actions: finish('withdrawn') },
  { target: 'posting' },
] as const;

export const reviewMachine = reviewSetup.createMachine({
  id: 'review',
  context: ({ input }) => firstContext(input),
  initial: 'preparing',
  on: {
    ...latePreparation,
    ...lateWeights,
    ...startAnswers,
    'vote.allowed': noted,
    'vote.withheld': noted,
    'job.reported': acceptReport,
    'job.published': { actions: keepEvidence },
    'job.unpublished': { actions: keepEvidence },
    'machine.failed': [
      { guard: 'failedBefore', target: '.stuck', actions: [finish('stuck'), tellJobs] },
      {
        target: '.alarming',
        actions: [
          change(() => ({ failed: true })),
          finish('unposted'),
          withAlarm('review-unposted'),
          tellJobs,
        ],
      },
    ],
    // What the other way to stuck computes may be what threw. All its jobs are told, also those that have handed over.
    'machine.broken': { target: '.stuck', actions: [finish('stuck'), request(cancelAll)] },
    'daemon.crashed': [
      { guard: 'crashedBefore', target: '.stuck', actions: [finish('stuck'), tellJobs] },
      { actions: change(({ context }) => ({ crashes: context.crashes + 1 })) },
    ],
  },
  states: {
    preparing: {
      ...preparing,
      on: { ...preparing.on, ...withdrawnByPeople },
    },
    waiting: {
      entry: waitDeadline.arm,
      exit: waitDeadline.disarm,
      always: [
        { guard: 'allReported', target: 'waitingForLogs' },
        {
          guard: 'waitedLongEnough',
          target: 'deciding',
          actions: change(({ context }) => fillMissing(context)),
        },
      ],
      on: {
        // With nothing to say yet it waits for the first verdict: every job ends some time, and says so.
        'timer.fired': { actions: change(() => ({ overdue: true })) },
        ...withdrawnByPeople,
      },
    },
    waitingForLogs: {
      entry: logsDeadline.arm,
      exit: logsDeadline.disarm,
      always: { guard: 'nothingPending', target: 'deciding' },
      on: { 'timer.fired': 'deciding', ...withdrawnByPeople },
    },
    deciding: {
      always: [{ guard: 'asksFirst', target: 'asking' }, { target: 'announcing' }],
    },
    asking: {
      ...asking,
      on: { ...asking.on, ...withdrawnByPeople },
    },
    announcing: {
      always: [
        { guard: 'nothingToSay', target: 'done', actions: finish('quiet') },
        { guard: 'shadow', target: 'done', actions: finish('shadow') },
        { guard: 'votes', target: 'weighing' },
        { target: 'posting' },
      ],
    },
    weighing: { ...weighing, on: withdrawnByPeople },
    posting,
    confirming,
    alarming: {
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
      entry: [leave, mailEnd],
      on: { ...saidAtTheEnd, ...mailAnswers },
    },
    stuck: {
      tags: 'ended',
      entry: [leave, request(({ context }) => parked(context))],
      on: saidAtTheEnd,
    },
  },
});

function firstContext(opened: ReviewMachineEvent): ReviewContext {
  assertInput(opened);
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
    held: false,
    dependencies: [],
    skipped: [],
    trees: [],
    conflicted: false,
    reports: [],
    overdue: false,
    postAttempt: 1,
    confirmAttempt: 1,
    mailAttempt: 1,
    voteless: false,
    withheld: '',
    turnless: false,
    readings: 0,
    readAttempt: 1,
    weighed: null,
    sent: null,
    withdrawn: false,
    outcome: null,
    alarm: null,
    alarms: 0,
    crashes: 0,
  };
}

/** Jobs that have not handed over when the deadline passes are named, so that nobody waits for them. */
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
        durationMs: context.report.waitTimeoutMs,
        results: null,
      }),
    );
  return { reports: [...context.reports, ...missing] };
}

function cancelAll({ context }: ReviewArgs) {
  const event = { type: 'job.cancelled', reason: 'its review ended by an internal error' } as const;
  return context.jobs.map(({ job }) => ({ type: 'tell', to: job, event }) as const);
}

function parked(context: ReviewContext) {
  return {
    type: 'raiseAlarm',
    key: 'alarm:stuck',
    alarm: {
      kind: 'review-unposted',
      target: `change ${context.patchset.change},${context.patchset.patchset}`,
      message: 'this review is parked: internal errors, or it brought the daemon down twice',
      hint: `sos-ci history ${context.review} shows the rows; report a bug`,
    },
  } as const;
}
