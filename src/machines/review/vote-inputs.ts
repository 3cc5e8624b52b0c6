/**
 * computingVote: collects the inputs of the vote. Only one review of a change posts at a time. The review reads the
 * change and our current vote from Gerrit, and then the results of all runs on the change, in the same transaction that
 * requests the post. Every wait has a deadline; a missing input prevents a positive vote.
 */
import type { ReportSpec } from '../model/report-spec.ts';
import { verdictsOf } from '../verdicts/verdicts.ts';
import { earliestCounting } from '../verdicts/vote-rule.ts';
import {
  backoffMs,
  deadline,
  type ReviewArgs,
  type ReviewContext,
  request,
  reviewSetup,
  update,
} from './machine-setup.ts';

const turnDeadline = deadline(
  () => 'deadline:awaitingTurn',
  ({ report }) => turnTimeoutMs(report),
);
const readDeadline = deadline(
  (context) => `deadline:readingChange:${context.readings}`,
  // The read has its own limit; this deadline catches one that never answers.
  (context) => context.report.postTimeoutMs * 2,
);
const readRetry = deadline(
  (context) => `retry:readingChange:${context.readings}`,
  (context) => backoffMs(context.report, context.readAttempt),
);
const verdictsDeadline = deadline(
  (context) => `deadline:readingVerdicts:${context.readings}`,
  (context) => context.report.postTimeoutMs,
);
const readFailed = [
  { guard: 'mayReadAgain', target: 'readBackoff' },
  { target: 'readingVerdicts', actions: keepChangeState() },
] as const;

export const computingVote = reviewSetup.createStateConfig({
  initial: 'awaitingTurn',
  states: {
    awaitingTurn: {
      // Armed first, because the answer may arrive with this row and disarms it.
      entry: [turnDeadline.arm, request(requestTurn)],
      exit: turnDeadline.disarm,
      on: {
        'turn.granted': 'readingChange',
        'timer.fired': { target: 'readingChange', actions: update(() => ({ turnTimedOut: true })) },
      },
    },
    readingChange: {
      entry: [
        update(({ context }) => ({ readings: context.readings + 1, voteInputs: null })),
        request(readChangeState),
        readDeadline.arm,
      ],
      exit: readDeadline.disarm,
      on: {
        'change-state.read': { target: 'readingVerdicts', actions: keepChangeState() },
        'change-state.read-failed': readFailed,
        'timer.fired': readFailed,
      },
    },
    readBackoff: {
      entry: readRetry.arm,
      exit: [readRetry.disarm, update(({ context }) => ({ readAttempt: context.readAttempt + 1 }))],
      on: { 'timer.fired': 'readingChange' },
    },
    readingVerdicts: {
      entry: [verdictsDeadline.arm, request(requestVerdicts)],
      exit: verdictsDeadline.disarm,
      on: {
        'verdicts.listed': { target: '#review.posting', actions: keepRuns() },
        'timer.fired': '#review.posting',
      },
    },
  },
});

/** The longest time for which an earlier review may keep trying to post. */
function turnTimeoutMs({ postAttempts, postTimeoutMs, postRetryMaxMs }: ReportSpec): number {
  return postAttempts * (postTimeoutMs * 4 + postRetryMaxMs);
}

function requestTurn({ context: { patchset, review } }: ReviewArgs) {
  return { type: 'sendEvent', to: verdictsOf(patchset), event: { type: 'turn.requested', review } } as const;
}

function readChangeState({ context }: ReviewArgs) {
  return {
    type: 'readChangeState',
    key: `readChangeState:${context.readings}`,
    patchset: context.patchset,
    label: context.report.label ?? '',
    timeoutMs: context.report.postTimeoutMs,
  } as const;
}

function keepChangeState() {
  return update(({ event }) => {
    if (event.type === 'change-state.read') {
      const { change, jobs } = event;
      return { voteInputs: { change, jobs, runs: null, prunedUpTo: 0 } };
    }
    const jobs = event.type === 'change-state.read-failed' ? event.jobs : [];
    return { voteInputs: { change: null, jobs, runs: null, prunedUpTo: 0 } };
  });
}

function requestVerdicts({ context }: ReviewArgs) {
  const { patchset, review, voteInputs } = context;
  const { change = null, jobs = [] } = voteInputs ?? {};
  const to = change?.patchset.patchset ?? patchset.patchset;
  const from = earliestCounting({ jobs, kinds: change?.kinds ?? [], current: to });
  return {
    type: 'sendEvent',
    to: verdictsOf(patchset),
    event: { type: 'verdicts.requested', review, from: Math.min(from, patchset.patchset), to },
  } as const;
}

function keepRuns() {
  return update(({ context, event }): Partial<ReviewContext> => {
    if (event.type !== 'verdicts.listed' || context.voteInputs === null) return {};
    const { runs, prunedUpTo } = event;
    return { voteInputs: { ...context.voteInputs, runs, prunedUpTo } };
  });
}
