/**
 * A second reading of the vote's rules, written from their text alone and shared with no code of src. It is slow and
 * literal on purpose: tests compare the program with it.
 */

export interface ReferenceJob {
  readonly name: string;
  readonly voting: boolean;
  /** Project, branch, topic and files of the current patchset fit, and it starts without being asked. */
  readonly startsUnasked: boolean;
  /** Kinds of patchset that it passes over. */
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
  /** The revisions of what the change depended on, as one text. */
  readonly dependencies: string;
  /** Nobody can read its evidence yet. */
  readonly evidencePending: boolean;
}

export interface ReferenceWorld {
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
export function referenceVote(world: ReferenceWorld): number | null {
  const statement = whatIsTrueOfTheCurrentPatchset(world);
  if (statement === null) return null;
  // A vote that is not read may be anything, so nothing may rise.
  if (statement > 0 && world.currentVote === null) return null;
  if (statement < 0 && !hasFailureOfItsOwn(world)) {
    // A person may have removed the negative vote, and this run says nothing that people can read. A positive vote is
    // wrong all the same.
    return world.currentVote !== null && world.currentVote > 0 ? 0 : null;
  }
  // A zero is sent only to take a better vote away.
  if (statement === 0) return world.currentVote !== null && world.currentVote > 0 ? 0 : null;
  return statement;
}

/**
 * The best value that any honest statement about the current patchset allows afterwards: whatever is sent, and whatever
 * stays because nothing is sent, must not be better, unless nothing is known against the vote that stands.
 */
export function ceiling(world: ReferenceWorld): number {
  const results = applyingJobs(world).map((job) => newest(world, job, isResult));
  if (results.some((run) => run?.verdict === 'FAILURE')) return Math.max(0, world.values.failure);
  if (results.some((run) => run?.verdict === 'TIMED_OUT')) return Math.max(0, world.values.timedOut);
  return whatIsTrueOfTheCurrentPatchset(world) === world.values.success ? world.values.success : 0;
}

function whatIsTrueOfTheCurrentPatchset(world: ReferenceWorld): number | null {
  const jobs = applyingJobs(world);
  const results = jobs.map((job) => newest(world, job, isResult));
  if (results.some((run) => run?.verdict === 'FAILURE')) return world.values.failure;
  if (results.some((run) => run?.verdict === 'TIMED_OUT')) return world.values.timedOut;
  const verdicts = jobs.map((job) => newest(world, job, isVerdict));
  if (jobs.length === 0) return null;
  for (const run of verdicts) if (run?.verdict !== 'SUCCESS') return null;
  const bases = new Set(verdicts.map((run) => run?.dependencies));
  return bases.size === 1 ? world.values.success : null;
}

/**
 * Voting jobs of the configuration that would start on the current patchset, or were started on it, or on an earlier one
 * whose verdict counts for it.
 */
function applyingJobs(world: ReferenceWorld): readonly ReferenceJob[] {
  return world.jobs.filter(
    (job) => job.voting && (job.startsUnasked || newest(world, job, isVerdict) !== undefined),
  );
}

/** The run of a job that was admitted last among those that count for the current patchset and pass the test. */
function newest(
  world: ReferenceWorld,
  job: ReferenceJob,
  counts: (run: ReferenceRun) => boolean,
): ReferenceRun | undefined {
  for (let patchset = world.kinds.length; patchset >= 1; patchset -= 1) {
    const here = world.runs.filter(
      (run) => run.job === job.name && run.patchset === patchset && isVerdict(run),
    );
    if (here.length > 0) return here.filter(counts).sort((a, b) => b.admitted - a.admitted)[0];
    const kind = world.kinds[patchset - 1] ?? '';
    if (!job.passesOver.includes(kind)) return undefined;
  }
  return undefined;
}

/** A negative vote needs a failure of this very run, and evidence for it that people can read. */
function hasFailureOfItsOwn(world: ReferenceWorld): boolean {
  const bad: string[] = [];
  if (world.values.failure < 0) bad.push('FAILURE');
  if (world.values.timedOut < 0) bad.push('TIMED_OUT');
  const applying = applyingJobs(world).map(({ name }) => name);
  return world.runs.some(
    (run) =>
      run.review === world.review &&
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
