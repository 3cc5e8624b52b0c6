/**
 * The vote of a review: the patchset of its comment, the label and value, and the lines of the comment about the vote.
 */
import { harmless } from '../comment/sanitize.ts';
import { type VoteExplanation, voteLines } from '../comment/vote-lines.ts';
import type { ChangeState, JobReport, Patchset } from '../model/domain.ts';
import {
  type ActiveJob,
  computeVote,
  countingPatchset,
  type VoteDecision,
  type VoteFacts,
  type VoteRun,
} from '../verdicts/vote-rule.ts';
import type { ReviewContext } from './machine-setup.ts';

/** The inputs that are read just before the post. */
export interface VoteInputs {
  /** Null: Gerrit was not read. */
  readonly change: ChangeState | null;
  readonly jobs: readonly ActiveJob[];
  /** Null: the verdicts history has not answered. */
  readonly runs: readonly VoteRun[] | null;
  readonly prunedUpTo: number;
}

type Labels = Readonly<Record<string, number>>;

export interface ReviewVote {
  readonly labels: Labels;
  /** The patchset that gets the comment. */
  readonly target: Patchset;
  /** Lines of the comment. */
  readonly lines: readonly string[];
  /** Null: no vote was computed. */
  readonly decision: VoteDecision | null;
}

/** The vote that the review sent. Later reports of its jobs change the result of `voteOf`, but not this. */
export interface SentVote {
  readonly labels: Labels;
  readonly target: Patchset;
  /** Labels of earlier attempts. If Gerrit already has the message, it came with one of these or with `labels`. */
  readonly earlier: readonly Labels[];
}

/** The vote of the attempt that begins. */
export function voteToSend(context: ReviewContext): SentVote {
  const { labels, target } = voteOf(context);
  const { sent } = context;
  if (sent === null) return { labels, target, earlier: [] };
  const known = sent.earlier.some((one) => isSameVote(one, sent.labels));
  return { labels, target, earlier: known ? sent.earlier : [...sent.earlier, sent.labels] };
}

/** True if Gerrit shows the vote of one of the attempts. */
export function isShown({ labels, earlier }: SentVote, votes: Labels): boolean {
  return [labels, ...earlier].some((one) =>
    Object.entries(one).every(([label, value]) => (votes[label] ?? 0) === value),
  );
}

function isSameVote(one: Labels, other: Labels): boolean {
  const labels = Object.keys(one);
  return labels.length === Object.keys(other).length && labels.every((label) => one[label] === other[label]);
}

export function voteOf(context: ReviewContext): ReviewVote {
  const { patchset, report, voteInputs } = context;
  const bare = { labels: {}, target: patchset, lines: [], decision: null };
  if (report.label === null) return bare;
  const runs = voteInputs?.runs ?? null;
  if (voteInputs === null || runs === null) {
    return { ...bare, lines: ['No vote: the results of the other runs on this change could not be read.'] };
  }
  const { change } = voteInputs;
  if (change !== null && change.status !== 'open') return bare;
  if (change !== null && change.patchset.branch !== patchset.branch) {
    return { ...bare, lines: [`No vote: the change was moved to ${harmless(change.patchset.branch)}.`] };
  }
  const facts = factsOf(context, voteInputs, runs);
  if (!countsForCurrent(context.reports, facts, patchset)) return bare;
  const decision = computeVote(facts);
  const withheld = whyWithheld(context, decision, facts);
  const value = withheld === '' ? decision.value : null;
  const explanation: VoteExplanation = {
    label: report.label,
    sent: value,
    decision,
    facts,
    withheld,
    tested: patchset.patchset,
    own: context.reports.map(({ name }) => name),
  };
  return {
    labels: value === null ? {} : { [report.label]: value },
    target: change?.patchset ?? patchset,
    lines: voteLines(explanation),
    decision,
  };
}

function factsOf(context: ReviewContext, voteInputs: VoteInputs, runs: readonly VoteRun[]): VoteFacts {
  const { review, patchset, report, reports } = context;
  const { change, jobs, prunedUpTo } = voteInputs;
  return {
    values: report,
    review,
    jobs,
    current: change?.patchset.patchset ?? patchset.patchset,
    kinds: change?.kinds ?? [{ patchset: patchset.patchset, kind: '' }],
    // Results for another branch do not count for this one.
    runs: runs
      .filter(({ branch }) => branch === patchset.branch)
      .map((run) => (run.review === review ? withEvidence(run, reports) : run)),
    prunedUpTo,
    currentVote: change?.vote ?? null,
  };
}

/** Evidence may have been published after the verdict was recorded. */
function withEvidence(run: VoteRun, reports: readonly JobReport[]): VoteRun {
  const report = reports.find(({ name }) => name === run.name);
  return report === undefined ? run : { ...run, url: report.url, readable: report.evidence === 'published' };
}

/** A review of an older patchset counts for the current one only where its runs do. */
function countsForCurrent(reports: readonly JobReport[], facts: VoteFacts, { patchset }: Patchset): boolean {
  if (patchset === facts.current) return true;
  const own = facts.jobs.filter(({ name }) => reports.some((report) => report.name === name));
  return own.some((job) => countingPatchset(job, facts.current, facts) === patchset);
}

/** Why a vote that the rule asks for is not sent; '' if it is sent. */
function whyWithheld(context: ReviewContext, { value, counted }: VoteDecision, facts: VoteFacts): string {
  if (context.withheld !== '') return context.withheld;
  if (context.voteRefused) return 'Gerrit refused it';
  if (value === null || value <= 0) return '';
  if (context.turnTimedOut) return 'another comment on this change was not finished in time';
  // The review posts no second comment when the job ends, so an older success must not count in its place.
  const unfinished = facts.runs.find(
    ({ review, verdict, name }) =>
      review === facts.review && verdict === null && counted.some((one) => one.name === name),
  );
  return unfinished === undefined ? '' : `${unfinished.name} has not ended`;
}
