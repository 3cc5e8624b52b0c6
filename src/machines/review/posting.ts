/**
 * posting: posts the comment of the review. If Gerrit refuses the vote, the message is posted again without labels, and
 * an alarm is raised. A cancellation during a post waits for Gerrit's answer.
 */
import { composeComment } from '../comment/compose.ts';
import type { Effect } from '../protocol/effects.ts';
import {
  backoffMs,
  deadline,
  finish,
  type ReviewArgs,
  type ReviewContext,
  request,
  reviewSetup,
  update,
  withAlarm,
} from './machine-setup.ts';
import { voteOf, voteToSend } from './vote.ts';

const retry = deadline(
  (context) => `retry:posting:${context.postAttempt}`,
  (context) => backoffMs(context.report, context.postAttempt),
);
const overdue = deadline(
  (context) => `deadline:posting:${context.postAttempt}`,
  // The reviewer has its own limits for a post and for the check afterwards; this deadline catches one that never
  // answers.
  (context) => context.report.postTimeoutMs * 4,
);
const withdraw = { actions: update(() => ({ withdrawn: true })) } as const;
const nextAttempt = update(({ context }) => ({ postAttempt: context.postAttempt + 1 }));

/** Unless Gerrit had the message already, the vote that counts is the last attempt's. */
const keepAcceptedVote = update(({ context: { sent }, event }) =>
  sent === null || event.type !== 'review.posted' || event.found ? {} : { sent: { ...sent, earlier: [] } },
);

export const posting = reviewSetup.createStateConfig({
  tags: 'posting',
  initial: 'sending',
  states: {
    sending: {
      entry: [update(({ context }) => ({ sent: voteToSend(context) })), request(postReview), overdue.arm],
      exit: overdue.disarm,
      on: {
        'review.posted': [
          // A vote that was left out (outdated patchset, closed change) needs no confirmation and is not an error.
          { guard: 'hasVote', target: '#review.confirmingVote', actions: keepAcceptedVote },
          { target: '#review.done', actions: finish('posted') },
        ],
        'vote.rejected': [
          // This attempt already carried no vote, so Gerrit refused something else, and retrying would loop forever.
          {
            guard: 'voteRefused',
            target: '#review.raisingAlarm',
            actions: [withAlarm('review-post-failed'), finish('post-failed')],
          },
          {
            target: '#review.raisingAlarm',
            actions: [withAlarm('vote-rejected'), nextAttempt, update(() => ({ voteRefused: true }))],
          },
        ],
        'review.post-failed': [
          { guard: 'withdrawn', target: '#review.done', actions: finish('withdrawn') },
          { guard: 'mayRetryPost', target: 'backoff' },
          {
            target: '#review.raisingAlarm',
            actions: [withAlarm('review-post-failed'), finish('post-failed')],
          },
        ],
        // Never posts a second time while a post is unanswered: raises an alarm and keeps waiting.
        'timer.fired': { actions: request(overdueAlarm) },
        'alarm.raised': { actions: 'noop' },
        'review.superseded': withdraw,
        'review.cancelled': withdraw,
      },
    },
    backoff: {
      tags: 'post-backoff',
      entry: retry.arm,
      exit: [retry.disarm, nextAttempt],
      on: {
        // The change may be different by now, so the vote is computed again.
        'timer.fired': [
          { guard: 'mayVote', target: '#review.computingVote.readingChange' },
          { target: 'sending' },
        ],
        'alarm.raised': { actions: 'noop' },
        'review.superseded': { target: '#review.done', actions: finish('withdrawn') },
        'review.cancelled': { target: '#review.done', actions: finish('withdrawn') },
      },
    },
  },
});

function postReview({ context }: ReviewArgs): readonly Effect[] {
  const { labels, target, lines } = voteOf(context);
  const { message, complaints } = comment(context, lines);
  const post: Effect = {
    type: 'postReview',
    key: `postReview:${context.postAttempt}`,
    run: context.review,
    patchset: target,
    message,
    labels,
    ...(mayRecomputeVote(context) ? { onlyCurrent: true } : {}),
    tag: context.report.tag,
    timeoutMs: context.report.postTimeoutMs,
  };
  const needsAlarm = complaints.length > 0 && context.postAttempt === 1;
  return needsAlarm ? [brokenTemplate(complaints), post] : [post];
}

/**
 * The first attempt requires the patchset to be current; if it is not, the vote is recomputed. Later attempts do not,
 * so that a steady stream of patchsets cannot delay the comment.
 */
function mayRecomputeVote({ sent, postAttempt, report }: ReviewContext): boolean {
  return postAttempt === 1 && report.postAttempts > 1 && Object.keys(sent?.labels ?? {}).length > 0;
}

function comment(context: ReviewContext, vote: readonly string[]) {
  const { review, pipeline, patchset, reports, trees, report } = context;
  const facts = { review, pipeline, patchset, reports, trees, vote, spec: report };
  return composeComment(facts, report.template);
}

/** One alarm for all reviews: they share the template. */
function brokenTemplate(complaints: readonly string[]): Effect {
  return {
    type: 'raiseAlarm',
    key: 'alarm:template',
    alarm: {
      kind: 'template-invalid',
      target: 'report.template',
      message: `not used, because the comment would not be safe to post: ${complaints.slice(0, 3).join('; ')}`,
      hint: 'the built-in comment was posted; correct the template, and check it with: sos-ci config check',
    },
  };
}

function overdueAlarm({ context }: ReviewArgs) {
  return {
    type: 'raiseAlarm',
    key: `alarm:overdue:${context.postAttempt}`,
    alarm: {
      kind: 'review-post-failed',
      target: `change ${context.patchset.change},${context.patchset.patchset}`,
      message: 'a review was sent long ago, and Gerrit has not answered',
      hint: 'check whether Gerrit is reachable; after a restart the daemon searches for the message and continues',
    },
  } as const;
}
