/**
 * Which vote a patchset gets. A vote is a statement about the patchset and not about one run: it follows from the
 * newest result and the newest verdict of every voting job that applies to it. Pure; docs/rules.md describes the same
 * rules.
 */

import type { Verdict } from '../model/verdict.ts';
import { type KindRule, whyNotKind } from '../trigger/rules/patchset-kind.ts';

/** A job of the configuration at the time when the vote is sent. */
export interface ActiveJob {
  readonly name: string;
  readonly voting: boolean;
  /** It matches the change as it is now, and a trigger other than a comment starts it. */
  readonly startsUnasked: boolean;
  /** The kinds of patchset that the job includes and excludes. */
  readonly kinds: KindRule;
}

/** One run of one job on one patchset. */
export interface VoteRun {
  readonly review: string;
  /** The job's name. */
  readonly name: string;
  /** Whether the job was voting when the run was admitted. */
  readonly voting: boolean;
  readonly patchset: number;
  /** The branch that it was tested for. */
  readonly branch: string;
  /** Runs that were admitted later have larger numbers. */
  readonly admitted: number;
  /** Null: the run has not ended. */
  readonly verdict: Verdict | null;
  readonly url: string | null;
  /** The revisions of the open changes that the change depended on, as one string. */
  readonly dependencies: string;
  /** Whether its evidence is readable. */
  readonly readable: boolean;
}

export interface PatchsetKind {
  readonly patchset: number;
  /** Gerrit's name for the kind. */
  readonly kind: string;
}

export interface VoteValues {
  readonly success: number;
  readonly failure: number;
  readonly timedOut: number;
}

export interface VoteFacts {
  readonly values: VoteValues;
  /** The review that posts. */
  readonly review: string;
  readonly jobs: readonly ActiveJob[];
  /** The change's current patchset. */
  readonly current: number;
  /** The kinds of the known patchsets. */
  readonly kinds: readonly PatchsetKind[];
  readonly runs: readonly VoteRun[];
  /** Runs of patchsets up to this one may be missing; 0: none are. */
  readonly prunedUpTo: number;
  /** Our account's vote on the current patchset, 0 for none; null: it could not be read. */
  readonly currentVote: number | null;
}

/** The result of one applicable voting job for the current patchset. */
export interface Counted {
  readonly name: string;
  /** The newest run that ended as SUCCESS, FAILURE or TIMED_OUT. */
  readonly result: VoteRun | null;
  /** The newest run that ended with a verdict other than ABORTED and SKIPPED. */
  readonly verdict: VoteRun | null;
}

/**
 * The reason for the vote. The first three are statements about the patchset, the others say why there is no statement.
 */
export type VoteReason =
  | 'failure'
  | 'timed-out'
  | 'success'
  /** No voting job applies. */
  | 'no-job'
  | 'no-verdict'
  /** All succeeded, but not with the same revisions of the change's dependencies. */
  | 'dependencies'
  /** Runs that may count are missing. */
  | 'incomplete';

export interface VoteDecision {
  /** The label's value to send; null: no label. */
  readonly value: number | null;
  /** The vote that the known results justify; null: none yet. */
  readonly statement: number | null;
  readonly reason: VoteReason;
  readonly counted: readonly Counted[];
}

const UNCOUNTED: readonly Verdict[] = ['ABORTED', 'SKIPPED'];

/** The runs of a job that count for a patchset; `incomplete`: some may be missing. */
type Found = { readonly runs: readonly VoteRun[] } | 'incomplete';

export function computeVote(facts: VoteFacts): VoteDecision {
  const found = facts.jobs
    .filter(({ voting }) => voting)
    .map((job) => ({ job, runs: runsFor(job, facts.current, facts) }));
  const counted = found.flatMap(({ job, runs }) => countedOf(job, runs === 'incomplete' ? [] : runs.runs));
  const incomplete = found.some(({ runs }) => runs === 'incomplete');
  const judged = { ...judge(counted, incomplete, facts.values), counted };
  return { ...judged, value: valueToSend(judged, facts) };
}

/** The patchset whose runs of this job count for patchset `of`; null: there are none, or they may be missing. */
export function countingPatchset(
  job: Pick<ActiveJob, 'name' | 'kinds'>,
  of: number,
  facts: Pick<VoteFacts, 'kinds' | 'runs' | 'prunedUpTo'>,
): number | null {
  const found = runsFor(job, of, facts);
  return found === 'incomplete' ? null : (found.runs[0]?.patchset ?? null);
}

/** The earliest patchset whose runs may count for the current one. */
export function earliestCounting(facts: Pick<VoteFacts, 'jobs' | 'current' | 'kinds'>): number {
  const { jobs, kinds, current } = facts;
  let patchset = current;
  while (patchset > 1 && jobs.some((job) => skipsKind(job, kindOf(patchset, kinds) ?? ''))) patchset -= 1;
  return patchset;
}

/** True for a run that has ended with a verdict other than ABORTED and SKIPPED. */
export function isCounted(run: VoteRun): boolean {
  return run.verdict !== null && !UNCOUNTED.includes(run.verdict);
}

export function isResult({ verdict }: VoteRun): boolean {
  return verdict === 'SUCCESS' || verdict === 'FAILURE' || verdict === 'TIMED_OUT';
}

export function newestOf(runs: readonly VoteRun[]): VoteRun | null {
  return runs.reduce<VoteRun | null>(
    (newest, run) => (newest !== null && newest.admitted > run.admitted ? newest : run),
    null,
  );
}

/** Goes back from the patchset, over kinds that the job skips, to the first patchset on which the job has a verdict. */
function runsFor(
  job: Pick<ActiveJob, 'name' | 'kinds'>,
  of: number,
  { kinds, runs, prunedUpTo }: Pick<VoteFacts, 'kinds' | 'runs' | 'prunedUpTo'>,
): Found {
  for (let patchset = of; patchset >= 1; patchset -= 1) {
    const here = runs.filter((run) => run.name === job.name && run.patchset === patchset && isCounted(run));
    if (here.length > 0) return { runs: here };
    if (patchset <= prunedUpTo) return 'incomplete';
    const kind = kindOf(patchset, kinds);
    if (kind === null) return 'incomplete';
    if (!skipsKind(job, kind)) return { runs: [] };
  }
  return { runs: [] };
}

function countedOf({ name, startsUnasked }: ActiveJob, runs: readonly VoteRun[]): readonly Counted[] {
  if (!startsUnasked && runs.length === 0) return [];
  return [{ name, result: newestOf(runs.filter(isResult)), verdict: newestOf(runs) }];
}

function judge(
  counted: readonly Counted[],
  incomplete: boolean,
  values: VoteValues,
): Pick<VoteDecision, 'statement' | 'reason'> {
  const ended = (verdict: Verdict) => counted.some(({ result }) => result?.verdict === verdict);
  if (ended('FAILURE')) return { statement: values.failure, reason: 'failure' };
  if (ended('TIMED_OUT')) return { statement: values.timedOut, reason: 'timed-out' };
  if (incomplete) return { statement: null, reason: 'incomplete' };
  if (counted.length === 0) return { statement: null, reason: 'no-job' };
  if (!counted.every(({ verdict }) => verdict?.verdict === 'SUCCESS')) {
    return { statement: null, reason: 'no-verdict' };
  }
  const tested = new Set(counted.map(({ verdict }) => verdict?.dependencies));
  if (tested.size > 1) return { statement: null, reason: 'dependencies' };
  return { statement: values.success, reason: 'success' };
}

function valueToSend(
  { statement, counted }: Pick<VoteDecision, 'statement' | 'counted'>,
  facts: VoteFacts,
): number | null {
  const { currentVote } = facts;
  if (statement === null) return null;
  // An unknown vote may be a negative one.
  if (statement > 0) return currentVote === null ? null : statement;
  if (statement < 0 && failedItself(counted, facts)) return statement;
  // A person may have removed the negative vote, so this run does not restore it. A positive vote is wrong in any case.
  return currentVote !== null && currentVote > 0 ? 0 : null;
}

/** True when this review's own jobs failed with readable evidence. */
function failedItself(
  counted: readonly Pick<Counted, 'name'>[],
  { review, runs, values }: Pick<VoteFacts, 'review' | 'runs' | 'values'>,
): boolean {
  return runs.some(
    (run) =>
      run.review === review &&
      run.readable &&
      counted.some(({ name }) => name === run.name) &&
      ((run.verdict === 'FAILURE' && values.failure < 0) ||
        (run.verdict === 'TIMED_OUT' && values.timedOut < 0)),
  );
}

function kindOf(patchset: number, kinds: readonly PatchsetKind[]): string | null {
  return kinds.find((one) => one.patchset === patchset)?.kind ?? null;
}

function skipsKind({ kinds }: Pick<ActiveJob, 'kinds'>, kind: string): boolean {
  return whyNotKind(kind, kinds) !== null;
}
