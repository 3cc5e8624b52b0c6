/**
 * posting: the one comment. A refused vote does not lose the message: it is posted again without labels, and the
 * operator hears of it. A cancel that arrives while the post is on its way waits for its answer.
 */
import { renderComment } from '../comment.ts';
import {
  backoffMs,
  change,
  deadline,
  finish,
  labelsOf,
  type ReviewArgs,
  request,
  reviewSetup,
  withAlarm,
} from './setup.ts';

const retry = deadline(
  (context) => `retry:posting:${context.postAttempt}`,
  (context) => backoffMs(context.report, context.postAttempt),
);
const overdue = deadline(
  (context) => `deadline:posting:${context.postAttempt}`,
  // The reviewer has its own limit for one post and for looking afterwards; this only catches a silent one.
  (context) => context.report.postTimeoutMs * 4,
);
const withdraw = { actions: change(() => ({ withdrawn: true })) } as const;
const nextAttempt = change((context) => ({ postAttempt: context.postAttempt + 1 }));

export const posting = reviewSetup.createStateConfig({
  initial: 'sending',
  states: {
    sending: {
      entry: [request(postReview), overdue.arm],
      exit: overdue.disarm,
      on: {
        'review.posted': [
          // A vote that was left out (an outdated patchset, a closed change) is nothing to read back and no trouble.
          { guard: 'hasVote', target: '#review.confirming' },
          { target: '#review.done', actions: finish('posted') },
        ],
        'vote.refused': [
          // It went without one already: then something else is refused, and trying again would go on for ever.
          {
            guard: 'voteless',
            target: '#review.alarming',
            actions: [withAlarm('review-unposted'), finish('unposted')],
          },
          {
            target: '#review.alarming',
            actions: [withAlarm('vote-refused'), nextAttempt, change(() => ({ voteless: true }))],
          },
        ],
        'review.unposted': [
          { guard: 'withdrawn', target: '#review.done', actions: finish('withdrawn') },
          { guard: 'mayRetryPost', target: 'backingOff' },
          { target: '#review.alarming', actions: [withAlarm('review-unposted'), finish('unposted')] },
        ],
        // Never a second post beside one that has not answered: told to the operator, and waited for.
        'timer.fired': { actions: request(overdueAlarm) },
        'alarm.raised': { actions: 'noted' },
        'review.superseded': withdraw,
        'review.cancelled': withdraw,
      },
    },
    backingOff: {
      entry: retry.arm,
      exit: [retry.disarm, nextAttempt],
      on: {
        'timer.fired': 'sending',
        'alarm.raised': { actions: 'noted' },
        'review.superseded': { target: '#review.done', actions: finish('withdrawn') },
        'review.cancelled': { target: '#review.done', actions: finish('withdrawn') },
      },
    },
  },
});

function postReview({ context }: ReviewArgs) {
  return {
    type: 'postReview',
    key: `postReview:${context.postAttempt}`,
    run: context.review,
    patchset: context.patchset,
    message: renderComment({
      run: context.review,
      pipeline: context.pipeline,
      reports: context.reports,
      spec: context.report,
    }),
    labels: labelsOf(context),
    tag: context.report.tag,
    timeoutMs: context.report.postTimeoutMs,
  } as const;
}

function overdueAlarm({ context }: ReviewArgs) {
  return {
    type: 'raiseAlarm',
    key: `alarm:overdue:${context.postAttempt}`,
    alarm: {
      kind: 'review-unposted',
      target: `change ${context.patchset.change},${context.patchset.patchset}`,
      message: 'Gerrit has not answered a review for a long time',
      hint: 'is Gerrit reachable? a restart of the daemon looks for the message and goes on',
    },
  } as const;
}
