/**
 * weighing: what the vote is computed from. One review of a change posts at a time; it then reads from Gerrit how the
 * change is now and which vote of ours is on it, and last of all what every run on the change came to, in the very
 * transaction that asks for the post. Every wait has an end, and what was not learned keeps a positive vote back.
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
  // The question has its own limit; this only catches a silent one.
  (context) => context.report.postTimeoutMs * 2,
);
const readRetry = deadline(
  (context) => `retry:readingChange:${context.readings}`,
  (context) => backoffMs(context.report, context.readAttempt),
);
const countDeadline = deadline(
  (context) => `deadline:readingVerdicts:${context.readings}`,
  (context) => context.report.postTimeoutMs,
);
const notRead = [
  { guard: 'mayReadAgain', target: 'readBackoff' },
  { target: 'readingVerdicts', actions: keepStanding() },
] as const;

export const weighing = reviewSetup.createStateConfig({
  initial: 'awaitingTurn',
  states: {
    awaitingTurn: {
      // First, so that the answer, which may come with this very row, finds it to take back.
      entry: [turnDeadline.arm, request(askForTurn)],
      exit: turnDeadline.disarm,
      on: {
        'turn.granted': 'readingChange',
        'timer.fired': { target: 'readingChange', actions: update(() => ({ turnless: true })) },
      },
    },
    readingChange: {
      entry: [
        update(({ context }) => ({ readings: context.readings + 1, weighed: null })),
        request(readChangeState),
        readDeadline.arm,
      ],
      exit: readDeadline.disarm,
      on: {
        'change-state.read': { target: 'readingVerdicts', actions: keepStanding() },
        'change-state.read-failed': notRead,
        'timer.fired': notRead,
      },
    },
    readBackoff: {
      entry: readRetry.arm,
      exit: [readRetry.disarm, update(({ context }) => ({ readAttempt: context.readAttempt + 1 }))],
      on: { 'timer.fired': 'readingChange' },
    },
    readingVerdicts: {
      entry: [countDeadline.arm, request(askForVerdicts)],
      exit: countDeadline.disarm,
      on: {
        'verdicts.listed': { target: '#review.posting', actions: keepRuns() },
        'timer.fired': '#review.posting',
      },
    },
  },
});

/** A review before this one may try to post for as long as this, and ends then. */
function turnTimeoutMs({ postAttempts, postTimeoutMs, postRetryMaxMs }: ReportSpec): number {
  return postAttempts * (postTimeoutMs * 4 + postRetryMaxMs);
}

function askForTurn({ context: { patchset, review } }: ReviewArgs) {
  return { type: 'sendEvent', to: verdictsOf(patchset), event: { type: 'turn.requested', review } } as const;
}

function readChangeState({ context }: ReviewArgs) {
  return {
    type: 'readChangeState',
    key: `readStanding:${context.readings}`,
    patchset: context.patchset,
    label: context.report.label ?? '',
    timeoutMs: context.report.postTimeoutMs,
  } as const;
}

function keepStanding() {
  return update(({ event }) => {
    if (event.type === 'change-state.read') {
      const { standing, jobs } = event;
      return { weighed: { standing, jobs, runs: null, forgotten: 0 } };
    }
    const jobs = event.type === 'change-state.read-failed' ? event.jobs : [];
    return { weighed: { standing: null, jobs, runs: null, forgotten: 0 } };
  });
}

function askForVerdicts({ context }: ReviewArgs) {
  const { patchset, review, weighed } = context;
  const { standing = null, jobs = [] } = weighed ?? {};
  const to = standing?.patchset.patchset ?? patchset.patchset;
  const from = earliestCounting({ jobs, kinds: standing?.kinds ?? [], current: to });
  return {
    type: 'sendEvent',
    to: verdictsOf(patchset),
    event: { type: 'verdicts.requested', review, from: Math.min(from, patchset.patchset), to },
  } as const;
}

function keepRuns() {
  return update(({ context, event }): Partial<ReviewContext> => {
    if (event.type !== 'verdicts.listed' || context.weighed === null) return {};
    const { runs, forgotten } = event;
    return { weighed: { ...context.weighed, runs, forgotten } };
  });
}
