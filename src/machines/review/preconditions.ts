/**
 * Why the jobs of a patchset do not run, and whether the vote that they wait for was cast. Pure functions of the
 * responses of Gerrit and git before any server boots.
 */

import type { AccountVote, Patchset, RequiredVote, ResolvedChange } from '../model/domain.ts';
import type { Verdict } from '../model/verdict.ts';
import type { ReviewEvent } from '../protocol/events.ts';
import { judgeFiles } from '../trigger/rules/files.ts';
import { voteText } from '../trigger/rules/vote.ts';
import type { ReviewContext } from './machine-setup.ts';

export interface Rejection {
  readonly verdict: Extract<Verdict, 'MERGER_FAILURE' | 'NODE_FAILURE' | 'ABORTED'>;
  readonly reason: string;
}

/** How many conflicting paths are named. */
const FILES_NAMED = 5;

/** A job that does not run, and why. */
export interface Skip {
  readonly job: string;
  readonly why: string;
}

/**
 * Jobs whose rules do not match the patchset's files; empty for a run that an operator started, which runs everything.
 */
export function skippedJobs(
  { jobs, plan }: Pick<ReviewContext, 'jobs' | 'plan'>,
  change: ResolvedChange,
): readonly Skip[] {
  if (!plan.onlyCurrent) return [];
  return jobs.flatMap(({ job, files }) => {
    const { runs, why } = judgeFiles(change.files, files);
    return runs ? [] : [{ job, why }];
  });
}

/** The reason in an event not to run the jobs. Throws for an event without one, which is a programming error. */
export function rejectionFor(context: ReviewContext, event: ReviewEvent): Rejection {
  switch (event.type) {
    case 'change.looked-up': {
      const rejection = unmetPrecondition(context, event.change);
      if (rejection !== null) return rejection;
      const veto = vetoOf(context, event.change);
      if (veto === null) throw new Error('refused without a reason');
      return rejectedBy(veto);
    }
    case 'patchset.conflicted':
      return { verdict: 'MERGER_FAILURE', reason: conflict(context, event) };
    case 'change.lookup-failed':
    case 'patchset.merge-failed':
      return { verdict: 'NODE_FAILURE', reason: `${event.failure.operation}: ${event.failure.message}` };
    case 'vote.cast':
      return rejectedBy(event.vote);
    case 'timer.fired':
      return { verdict: 'NODE_FAILURE', reason: 'Gerrit or git did not respond in time' };
    default:
      throw new Error(`${event.type} refuses nothing`);
  }
}

/** By a veto. */
export function rejectedBy(vote: AccountVote): Rejection {
  return { verdict: 'ABORTED', reason: `${vote.account} voted ${voteText(vote)}` };
}

/** Null: the jobs may run. */
export function unmetPrecondition(
  { plan, patchset }: Pick<ReviewContext, 'plan' | 'patchset'>,
  change: ResolvedChange,
): Rejection | null {
  const stale = plan.onlyCurrent ? whyNotCurrent(change, patchset, plan) : null;
  if (stale !== null) return { verdict: 'ABORTED', reason: stale };
  if (plan.merge && change.trouble !== null) return { verdict: 'MERGER_FAILURE', reason: change.trouble };
  return null;
}

/** True if only the work-in-progress or private flag keeps the jobs from running. */
export function isHidden(
  { plan, patchset }: Pick<ReviewContext, 'plan' | 'patchset'>,
  change: ResolvedChange,
): boolean {
  if (!plan.onlyCurrent || change.status !== 'open' || change.current !== patchset.patchset) return false;
  return (change.wip && !plan.wip) || (change.private && !plan.private);
}

function whyNotCurrent(
  change: ResolvedChange,
  { patchset, branch }: Patchset,
  plan: Pick<ReviewContext['plan'], 'wip' | 'private'>,
): string | null {
  if (change.status === 'missing') return 'the change no longer exists';
  if (change.status !== 'open') return `the change was ${change.status}`;
  if (change.current !== patchset) return `patchset ${change.current} is the current one`;
  if (change.branch !== undefined && change.branch !== branch)
    return `the change was moved to branch ${change.branch}`;
  if (change.wip && !plan.wip) return 'the change is work in progress';
  return change.private && !plan.private ? 'the change is private' : null;
}

function conflict(
  { patchset }: Pick<ReviewContext, 'patchset'>,
  event: Extract<ReviewEvent, { type: 'patchset.conflicted' }>,
): string {
  const named = event.files.slice(0, FILES_NAMED).join(', ');
  const more = event.files.length > FILES_NAMED ? ` and ${event.files.length - FILES_NAMED} more` : '';
  const where = named === '' ? '' : `: ${named}${more}`;
  const what =
    event.change === patchset.change ? 'the patch' : `change ${event.change}, which it depends on,`;
  return `${what} does not merge with ${event.branch} of ${event.project}${where}`;
}

/** True when the awaited vote was cast, or no vote is awaited. */
export function isReady(
  { waitIsOver, plan }: Pick<ReviewContext, 'waitIsOver' | 'plan'>,
  change: ResolvedChange,
): boolean {
  return (
    plan.requiredVote === null ||
    waitIsOver ||
    change.votes.some((vote) => isRequiredVote(vote, plan.requiredVote))
  );
}

export function isRequiredVote(vote: AccountVote, required: RequiredVote | null): boolean {
  if (required === null || !isOfSameVoter(vote, required)) return false;
  return required.value < 0 ? vote.value <= required.value : vote.value >= required.value;
}

/** The vote against the patch by the awaited CI, as long as its vote is awaited. */
export function vetoOf(
  {
    waitIsOver,
    plan,
  }: { readonly waitIsOver: boolean; readonly plan: Pick<ReviewContext['plan'], 'requiredVote'> },
  change: Pick<ResolvedChange, 'votes'>,
): AccountVote | null {
  if (waitIsOver) return null;
  return change.votes.find((vote) => isVeto(vote, plan.requiredVote)) ?? null;
}

/** The awaited CI has voted against the patch, so our result would only be noise. */
export function isVeto(vote: AccountVote, required: RequiredVote | null): boolean {
  return (
    required !== null && isOfSameVoter(vote, required) && Math.sign(vote.value) === -Math.sign(required.value)
  );
}

function isOfSameVoter(vote: AccountVote, required: RequiredVote): boolean {
  return vote.account === required.account && vote.label === required.label;
}
