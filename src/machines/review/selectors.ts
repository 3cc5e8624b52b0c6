/** Selectors for every version of the review machine. */
import type { AnyStateMachine } from 'xstate';
import type { Projection } from '../protocol/projection.ts';
import type { HistorySnapshot } from '../protocol/row.ts';
import {
  defineVersion,
  describeState,
  hasTag,
  type MachineVersion,
  type Preparation,
  type VoteSummary,
} from '../protocol/version.ts';
import { voteText } from '../trigger/rules/vote.ts';
import type { ReviewContext } from './machine-setup.ts';
import { voteOf } from './vote.ts';

type Tag = 'jobs-pending' | 'preparing' | 'posting' | 'post-backoff' | 'awaits-vote' | 'backoff';

export function reviewVersion(machine: () => AnyStateMachine): MachineVersion {
  const tagged = ({ state }: HistorySnapshot, tag: Tag) => hasTag(machine(), state, tag);
  return defineVersion(machine, {
    project: (stored) => projectReview(stored, tagged(stored, 'jobs-pending')),
    reviewOf: ({ history }) => history,
    attempt: (stored) => {
      const { sent, postAttempt } = contextOf(stored);
      return sent === null ? null : postAttempt;
    },
    isWork: () => true,
    blocksDrain: (stored) => !tagged(stored, 'jobs-pending'),
    summarizeReview: (stored) => {
      const { patchset, jobs, reports, plan, hidden, outcome } = contextOf(stored);
      const expects = tagged(stored, 'jobs-pending') && hidden !== true;
      return {
        patchset,
        jobs: jobs.map(({ job }) => job),
        expected: expects
          ? jobs.filter(({ job }) => !reports.some((report) => report.job === job)).map(({ name }) => name)
          : [],
        requiredVote: tagged(stored, 'preparing') ? plan.requiredVote : null,
        hidden: hidden === true,
        withdrawn: outcome === 'withdrawn',
      };
    },
    summarizeVote: (stored) => summarizeVote(contextOf(stored)),
    describePreparation: (stored): Preparation | null => {
      if (!tagged(stored, 'preparing')) return null;
      const { requiredVote } = contextOf(stored).plan;
      if (tagged(stored, 'awaits-vote') && requiredVote !== null) {
        return { text: `waits for ${requiredVote.account} to vote ${voteText(requiredVote)}`, due: 'until' };
      }
      const due = tagged(stored, 'backoff') ? 'at' : null;
      return { text: describeState(machine(), stored.state), due };
    },
    // The attempt is counted when the next one begins.
    mayHavePosted: (stored) => contextOf(stored).postAttempt > 1 || tagged(stored, 'posting'),
    postRetryTimer: (stored) =>
      tagged(stored, 'post-backoff')
        ? (Object.values(stored.pending).find(({ type }) => type === 'setTimer')?.key ?? null)
        : null,
  });
}

function summarizeVote(context: ReviewContext): VoteSummary {
  const vote = voteOf(context);
  const { report, sent, voteInputs, outcome } = context;
  const { label } = report;
  const { labels, target } = sent ?? vote;
  return {
    label,
    sent: label === null || sent === null ? null : (labels[label] ?? null),
    isPosted: sent !== null,
    patchset: target.patchset,
    lines: voteInputs === null ? [] : vote.lines,
    changeStatus: voteInputs?.change?.status ?? 'open',
    reason: vote.decision?.reason ?? null,
    counted: vote.decision?.counted ?? [],
    outcome,
  };
}

function projectReview(stored: HistorySnapshot, jobsPending: boolean): Projection {
  const context = contextOf(stored);
  const { patchset } = context;
  return {
    kind: 'review',
    id: context.review,
    pipeline: context.pipeline,
    project: patchset.project,
    branch: patchset.branch,
    change: patchset.change,
    patchset: patchset.patchset,
    state: stored.state,
    ended: stored.ended,
    jobsPending,
    outcome: context.outcome,
    openedAt: context.openedAt,
    updatedAt: stored.at,
  };
}

function contextOf(stored: HistorySnapshot): ReviewContext {
  return stored.context as unknown as ReviewContext;
}
