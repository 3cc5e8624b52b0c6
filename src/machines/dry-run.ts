/**
 * Computes what a new patchset, or a comment that requests a run, would start on a change in its current state: by the
 * trigger's rules, the limits, and the checks of the review after its lookup. Shows why a job did not start. Pure;
 * starts nothing.
 */

import type { RequiredVote } from './model/domain.ts';
import type { CurrentChange } from './model/gerrit-event.ts';
import { isRequiredVote, rejectedBy, vetoOf } from './review/preconditions.ts';
import type { StartingEvent } from './trigger/rules/cause.ts';
import { type FileRules, judgeFiles } from './trigger/rules/files.ts';
import type { Finding } from './trigger/rules/rule-names.ts';
import { voteText } from './trigger/rules/vote.ts';
import { explain, type TriggerRules } from './trigger/trigger.ts';
import type { TriggerFacts } from './trigger/trigger-facts.ts';

export interface DryRunInput {
  readonly rules: TriggerRules;
  /** By job name. */
  readonly files: ReadonlyMap<string, FileRules>;
  /** The current facts. What a trigger started before does not matter: a new patchset or comment is a new cause. */
  readonly facts: Omit<TriggerFacts, 'startResult' | 'number' | 'novelty'>;
}

export interface JobDryRun extends Finding {
  readonly job: string;
  readonly starts: boolean;
}

export interface DryRunResult {
  readonly occasion: 'patchset' | 'recheck';
  /** The text of the comment; null for a patchset. */
  readonly comment: string | null;
  readonly starts: boolean;
  /** The rule that decides for all jobs together. */
  readonly rule: Finding['rule'];
  readonly why: string;
  /** The vote that the jobs would wait for first. */
  readonly requiredVote: RequiredVote | null;
  readonly jobs: readonly JobDryRun[];
}

/** First the current patchset as if it were new, then a comment of its uploader. */
export function dryRun(change: CurrentChange, options: DryRunInput): readonly DryRunResult[] {
  const { patchset, kind, wip, uploader: by, author, hashtags } = change;
  const common = {
    at: options.facts.now,
    patchset,
    wip,
    private: change.private,
    by,
    uploader: by,
    author,
    hashtags,
  };
  const comment = options.rules.recheck ? 'recheck' : `run-${options.rules.account}`;
  const commentEvent = { ...common, type: 'comment-added', comment, approvals: [] } as const;
  return [
    {
      occasion: 'patchset',
      comment: null,
      ...simulate(change, { ...common, type: 'patchset-created', kind }, options),
    },
    { occasion: 'recheck', comment, ...simulate(change, commentEvent, options) },
  ];
}

type Outcome = Omit<DryRunResult, 'occasion' | 'comment'>;

function simulate(change: CurrentChange, event: StartingEvent, options: DryRunInput): Outcome {
  const facts = {
    ...options.facts,
    number: 0,
    startResult: () => 'nothing' as const,
    novelty: { is: 'untracked' as const },
  };
  const { decisions, jobs } = explain(event, options.rules, facts);
  const decision = decisions.at(-1);
  const wanted = jobs.map(({ job, cause, rule, why }) => ({ job, starts: cause !== null, rule, why }));
  if (decision?.do !== 'start') {
    const { rule, why } = decision ?? { rule: 'event', why: '' };
    const closed = whyClosed(change);
    if (decision?.do === 'defer') return refused(wanted, closed ?? { rule, why: `it would wait: ${why}` });
    return refused(wanted, { rule, why });
  }
  const closed = whyClosed(change);
  if (closed !== null) return refused(wanted, closed);
  const checked = wanted.map((job) => (job.starts ? applyFileRules(change, job, options) : job));
  if (!checked.some(({ starts }) => starts)) {
    const why = checked.find(({ rule }) => rule === 'files')?.why ?? decision.why;
    return { starts: false, rule: 'files', why, requiredVote: null, jobs: checked };
  }
  const veto = vetoOf({ waitIsOver: false, plan: decision }, change);
  if (veto !== null) return refused(checked, { rule: 'require-vote', why: rejectedBy(veto).reason });
  const requiredVote = change.votes.some((vote) => isRequiredVote(vote, decision.requiredVote))
    ? null
    : decision.requiredVote;
  const why =
    requiredVote === null
      ? decision.why
      : `${decision.why}, after ${requiredVote.account} ${voteText(requiredVote)}`;
  return { starts: true, rule: decision.rule, why, requiredVote, jobs: checked };
}

/** Rejects every job, including those whose own rules allow a start. */
function refused(jobs: readonly JobDryRun[], { rule, why }: Finding): Outcome {
  const all = jobs.map((job) => (job.starts ? { job: job.job, starts: false, rule, why } : job));
  return { starts: false, rule, why, requiredVote: null, jobs: all };
}

function whyClosed({ status }: CurrentChange): Finding | null {
  return status === 'open' ? null : { rule: 'closed', why: `the change is ${status}` };
}

function applyFileRules({ files }: CurrentChange, job: JobDryRun, options: DryRunInput): JobDryRun {
  const rules = options.files.get(job.job);
  if (rules === undefined) return job;
  const { runs, why } = judgeFiles(files, rules);
  if (!runs) return { job: job.job, starts: false, rule: 'files', why };
  const hasNoRules = rules.include.length === 0 && rules.exclude.length === 0;
  return hasNoRules ? job : { ...job, why: `${job.why}; ${why}` };
}
