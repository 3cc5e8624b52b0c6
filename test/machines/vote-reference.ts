/**
 * A reference implementation of the vote's rules, written only from their text, without code of src. It is deliberately
 * slow and literal: tests compare the program with it.
 */

export interface ReferenceJob {
  readonly name: string;
  readonly voting: boolean;
  /** Its rules match the current patchset, and it starts without a comment. */
  readonly startsUnasked: boolean;
  /** Kinds of patchset that it excludes. */
  readonly passesOver: readonly string[];
}

export interface ReferenceRun {
  readonly review: string;
  readonly job: string;
  readonly patchset: number;
  /** Later admissions have larger numbers. */
  readonly admitted: number;
  /** Null: not ended. */
  readonly verdict: string | null;
  /** The revisions of the dependencies, as one string. */
  readonly dependencies: string;
  /** Its evidence is not published yet. */
  readonly evidencePending: boolean;
}

export interface ReferenceState {
  readonly values: { readonly success: number; readonly failure: number; readonly timedOut: number };
  /** The configuration in force when the vote is sent. */
  readonly jobs: readonly ReferenceJob[];
  /** The kind of each patchset, the first one first; the last is the current one. */
  readonly kinds: readonly string[];
  readonly runs: readonly ReferenceRun[];
  /** Our account's vote on the current patchset, 0 for none; null: it could not be read. */
  readonly currentVote: number | null;
  /** The review that is about to post. */
  readonly review: string;
}

/** The label's value that has to be sent with this post; null: no label. */
export function referenceVote(state: ReferenceState): number | null {
  const statement = currentVerdictValue(state);
  if (statement === null) return null;
  // The vote could not be read, so it must not be raised.
  if (statement > 0 && state.currentVote === null) return null;
  if (statement < 0 && !hasOwnFailure(state)) {
    // A person may have removed the negative vote, and this run has no readable evidence against the patch. A positive
    // vote is wrong in any case.
    return state.currentVote !== null && state.currentVote > 0 ? 0 : null;
  }
  // A zero is sent only to remove a better vote.
  if (statement === 0) return state.currentVote !== null && state.currentVote > 0 ? 0 : null;
  return statement;
}

/**
 * The best value that the results allow for the current patchset. Neither a vote that is sent nor one that stays may be
 * better, unless no result contradicts the vote that stays.
 */
export function bestAllowedVote(state: ReferenceState): number {
  const results = applyingJobs(state).map((job) => newest(state, job, isResult));
  if (results.some((run) => run?.verdict === 'FAILURE')) return Math.max(0, state.values.failure);
  if (results.some((run) => run?.verdict === 'TIMED_OUT')) return Math.max(0, state.values.timedOut);
  return currentVerdictValue(state) === state.values.success ? state.values.success : 0;
}

function currentVerdictValue(state: ReferenceState): number | null {
  const jobs = applyingJobs(state);
  const results = jobs.map((job) => newest(state, job, isResult));
  if (results.some((run) => run?.verdict === 'FAILURE')) return state.values.failure;
  if (results.some((run) => run?.verdict === 'TIMED_OUT')) return state.values.timedOut;
  const verdicts = jobs.map((job) => newest(state, job, isVerdict));
  if (jobs.length === 0) return null;
  for (const run of verdicts) if (run?.verdict !== 'SUCCESS') return null;
  const bases = new Set(verdicts.map((run) => run?.dependencies));
  return bases.size === 1 ? state.values.success : null;
}

/**
 * Voting jobs of the configuration that would start on the current patchset, or that were started on it or on an
 * earlier one whose verdict counts for it.
 */
function applyingJobs(state: ReferenceState): readonly ReferenceJob[] {
  return state.jobs.filter(
    (job) => job.voting && (job.startsUnasked || newest(state, job, isVerdict) !== undefined),
  );
}

/** The last admitted run of a job among those that count for the current patchset and for which `counts` is true. */
function newest(
  state: ReferenceState,
  job: ReferenceJob,
  counts: (run: ReferenceRun) => boolean,
): ReferenceRun | undefined {
  for (let patchset = state.kinds.length; patchset >= 1; patchset -= 1) {
    const runs = state.runs.filter(
      (run) => run.job === job.name && run.patchset === patchset && isVerdict(run),
    );
    if (runs.length > 0) return runs.filter(counts).sort((a, b) => b.admitted - a.admitted)[0];
    const kind = state.kinds[patchset - 1] ?? '';
    if (!job.passesOver.includes(kind)) return undefined;
  }
  return undefined;
}

/** A negative vote needs a failure of this run with readable evidence. */
function hasOwnFailure(state: ReferenceState): boolean {
  const bad: string[] = [];
  if (state.values.failure < 0) bad.push('FAILURE');
  if (state.values.timedOut < 0) bad.push('TIMED_OUT');
  const applying = applyingJobs(state).map(({ name }) => name);
  return state.runs.some(
    (run) =>
      run.review === state.review &&
      applying.includes(run.job) &&
      bad.includes(run.verdict ?? '') &&
      !run.evidencePending,
  );
}

function isResult(run: ReferenceRun): boolean {
  return run.verdict === 'SUCCESS' || run.verdict === 'FAILURE' || run.verdict === 'TIMED_OUT';
}

function isVerdict(run: ReferenceRun): boolean {
  return run.verdict !== null && run.verdict !== 'ABORTED' && run.verdict !== 'SKIPPED';
}
