/**
 * preparing: runs before any job of the patchset waits for a slot. Looks the change up in Gerrit, waits for a vote if
 * the plan requires one, and merges the patch with its branch and its dependencies. Jobs that cannot or need not run
 * are refused before any server boots.
 */
import { backoff } from '../model/backoff.ts';
import type { Effect } from '../protocol/effects.ts';
import type { AnyEvent } from '../protocol/events.ts';
import {
  deadline,
  type ReviewArgs,
  type ReviewContext,
  request,
  reviewSetup,
  update,
} from './machine-setup.ts';
import { isHidden, isRequiredVote, rejectionFor, skippedJobs } from './preconditions.ts';
import { announceStart } from './start-message.ts';

const lookUpDeadline = deadline(
  (context) => `deadline:lookingUp:${context.lookUps}`,
  // The lookup has its own limit; this deadline catches one that never answers.
  (context) => context.plan.lookUpTimeoutMs * 2,
);
const lookUpRetry = deadline(
  (context) => `retry:lookingUp:${context.lookUps}`,
  ({ plan, lookUpAttempt }) => backoff(lookUpAttempt, plan.lookUpRetryMs, plan.lookUpRetryMaxMs),
);
const voteDeadline = deadline(
  () => 'deadline:awaitingVote',
  (context) => context.plan.requiredVote?.timeoutMs ?? 0,
);
const mergeDeadline = deadline(
  (context) => `deadline:merging:${context.mergeAttempt}`,
  (context) => context.plan.mergeTimeoutMs * 2,
);
const mergeRetry = deadline(
  (context) => `retry:merging:${context.mergeAttempt}`,
  ({ plan, mergeAttempt }) => backoff(mergeAttempt, plan.mergeRetryMs, plan.mergeRetryMs * 64),
);

const noop = { actions: 'noop' } as const;
const refused = { target: '#review.awaitingJobs', actions: request(refuseAll) } as const;
const lookedUp = [
  {
    guard: 'mustReject',
    target: '#review.awaitingJobs',
    actions: [
      update(({ context, event }) =>
        event.type === 'change.looked-up' && isHidden(context, event.change) ? { hidden: true } : {},
      ),
      request(refuseAll),
    ],
  },
  { guard: 'allSkipped', target: '#review.awaitingJobs', actions: [keepChange(), request(skip)] },
  { guard: 'vetoed', ...refused },
  { guard: 'mustAwaitVote', target: 'awaitingVote' },
  {
    guard: 'mustMerge',
    target: 'merging',
    actions: [keepChange(), request(skip)],
  },
  {
    target: '#review.awaitingJobs',
    actions: [keepChange(), request(skip), request(releaseAll), announceStart],
  },
] as const;
/** A vote may be cast during the lookup and be missing from its answer. */
const castBefore = [{ guard: 'vetoVote', ...refused }, { actions: keepVote() }] as const;
const notLookedUp = [{ guard: 'mayLookUpAgain', target: 'lookUpBackoff' }, refused] as const;
const notMerged = [{ guard: 'mayMergeAgain', target: 'mergeBackoff' }, refused] as const;

export const preparing = reviewSetup.createStateConfig({
  tags: ['jobs-pending', 'preparing'],
  description: 'its change is being prepared',
  initial: 'lookingUp',
  states: {
    lookingUp: {
      description: 'the change is being looked up in Gerrit',
      entry: [
        update(({ context }) => ({ lookUps: context.lookUps + 1 })),
        request(lookUpChange),
        lookUpDeadline.arm,
      ],
      exit: lookUpDeadline.disarm,
      on: {
        'vote.cast': castBefore,
        'change.looked-up': lookedUp,
        'change.lookup-failed': notLookedUp,
        'timer.fired': notLookedUp,
      },
    },
    lookUpBackoff: {
      tags: 'backoff',
      description: 'the change will be looked up in Gerrit again',
      entry: lookUpRetry.arm,
      exit: [lookUpRetry.disarm, update(({ context }) => ({ lookUpAttempt: context.lookUpAttempt + 1 }))],
      on: { 'vote.cast': castBefore, 'timer.fired': 'lookingUp' },
    },
    awaitingVote: {
      tags: 'awaits-vote',
      description: 'waits for a vote',
      entry: voteDeadline.arm,
      exit: [voteDeadline.disarm, update(() => ({ waitIsOver: true, lookUpAttempt: 1 }))],
      on: {
        'vote.cast': [{ guard: 'vetoVote', ...refused }, { guard: 'awaitedVote', target: 'lookingUp' }, noop],
        // No vote was cast in time. The jobs run without it, so that this CI still reports.
        'timer.fired': 'lookingUp',
      },
    },
    merging: {
      description: 'the patch is being merged with its branch',
      entry: [request(mergePatchset), mergeDeadline.arm],
      exit: mergeDeadline.disarm,
      on: {
        'patchset.merged': {
          target: '#review.awaitingJobs',
          actions: [keepTrees(), request(releaseAll), announceStart],
        },
        'patchset.conflicted': {
          ...refused,
          actions: [update(() => ({ conflicted: true })), refused.actions],
        },
        'patchset.merge-failed': notMerged,
        'timer.fired': notMerged,
      },
    },
    mergeBackoff: {
      tags: 'backoff',
      description: 'the patch will be merged with its branch again',
      entry: mergeRetry.arm,
      exit: [mergeRetry.disarm, update(({ context }) => ({ mergeAttempt: context.mergeAttempt + 1 }))],
      on: { 'timer.fired': 'merging' },
    },
  },
});

function lookUpChange({ context }: ReviewArgs) {
  return {
    type: 'lookUpChange',
    key: `lookUpChange:${context.lookUps}`,
    patchset: context.patchset,
    dependencyLimit: context.plan.dependencyLimit,
    timeoutMs: context.plan.lookUpTimeoutMs,
  } as const;
}

function mergePatchset({ context }: ReviewArgs) {
  return {
    type: 'mergePatchset',
    key: `mergePatchset:${context.mergeAttempt}`,
    review: context.review,
    patchset: context.patchset,
    dependencies: context.dependencies,
    timeoutMs: context.plan.mergeTimeoutMs,
  } as const;
}

function keepVote() {
  return {
    type: 'update',
    params: ({ context, event }: ReviewArgs): Partial<ReviewContext> =>
      event.type === 'vote.cast' && isRequiredVote(event.vote, context.plan.requiredVote)
        ? { waitIsOver: true }
        : {},
  } as const;
}

function keepChange() {
  return {
    type: 'update',
    params: ({ context, event }: ReviewArgs): Partial<ReviewContext> =>
      event.type === 'change.looked-up'
        ? { dependencies: event.change.dependencies, skipped: skippedJobs(context, event.change) }
        : {},
  } as const;
}

function keepTrees() {
  return {
    type: 'update',
    params: ({ event }: ReviewArgs): Partial<ReviewContext> =>
      event.type === 'patchset.merged' ? { trees: event.trees } : {},
  } as const;
}

/** Refuses the jobs that do not apply to the patchset; they report SKIPPED at once. */
function skip({ context }: ReviewArgs): readonly Effect[] {
  return context.skipped.map(({ job, why }) => ({
    type: 'sendEvent',
    to: job,
    event: { type: 'job.rejected', verdict: 'SKIPPED', reason: why },
  }));
}

/** Lets the jobs wait for their slots. */
function releaseAll({ context, event }: ReviewArgs): readonly Effect[] {
  const trees = event.type === 'patchset.merged' ? event.trees : [];
  const { dependencies } = context;
  const needed = trees.length === 0 || dependencies.length === 0 ? {} : { dependencies };
  return sendToJobs(context, { type: 'job.ready', trees, ...needed });
}

/** Refuses all jobs. Each reports this verdict at once, and the review comments on it. */
function refuseAll({ context, event }: ReviewArgs): readonly Effect[] {
  return sendToJobs(context, { type: 'job.rejected', ...rejectionFor(context, event) });
}

function sendToJobs(context: ReviewContext, event: AnyEvent): readonly Effect[] {
  return context.jobs
    .filter(({ job }) => !context.skipped.some((skipped) => skipped.job === job))
    .map(({ job }) => ({ type: 'sendEvent', to: job, event }));
}
