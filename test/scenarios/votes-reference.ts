/** Compares posted votes with the reference implementation, whose input comes only from the log. */

import type { ChangeState, JobReport, Patchset, ResolvedChange } from '../../src/machines/model/domain.ts';
import type { LogRow } from '../../src/machines/protocol/row.ts';
import type { ActiveJob } from '../../src/machines/verdicts/vote-rule.ts';
import { type ReferenceState, referenceVote } from '../machines/vote-reference.ts';
import type { CiHarness } from './ci-harness.ts';

export const VALUES = { success: 1, failure: -1, timedOut: -1 };

/** Every requested post, with the vote that the reference implementation expects. */
export function judged(ci: CiHarness) {
  const rows: LogRow[] = [];
  const posts: {
    readonly sent: number | null;
    readonly expected: number | null;
    readonly state: ReferenceState;
  }[] = [];
  for (const row of ci.store.log()) {
    rows.push(row);
    for (const effect of row.effects) {
      if (effect.type !== 'postReview') continue;
      const state = stateAt(rows, row.history);
      const own = ownCounts(state, testedOf(rows, row.history));
      const value = own && isOpenAt(rows, row.history) ? referenceVote(state) : null;
      posts.push({
        sent: effect.labels.Verified ?? null,
        // The review no longer waits for a job that has not reported.
        expected: (value ?? 0) > 0 && waitsForever(state) ? null : value,
        state,
      });
    }
  }
  return posts;
}

const isOpening = ({ type }: LogRow) => type === 'review.opened';

function testedOf(rows: readonly LogRow[], review: string): number {
  return openedOf(rows, review).patchset;
}

function openedOf(rows: readonly LogRow[], review: string): Patchset {
  const opened = rows.find((row) => row.history === review && isOpening(row));
  if (opened === undefined) throw new Error(`${review} was never opened`);
  return opened.data.patchset as Patchset;
}

/** The input that was known when a review requested its post. */
function stateAt(rows: readonly LogRow[], review: string): ReferenceState {
  const read = readingOf(rows, review);
  const change = changeStateAt(rows, review);
  const jobs = (read?.data.jobs ?? []) as readonly ActiveJob[];
  const tested = testedOf(rows, review);
  const current = change?.patchset.patchset ?? tested;
  const branch = change?.patchset.branch ?? openedOf(rows, review).branch;
  const kinds = Array.from({ length: current }, (_, index) => {
    return change?.kinds.find(({ patchset: number }) => number === index + 1)?.kind ?? '';
  });
  return {
    values: VALUES,
    jobs: jobs.map(({ kinds: { exclude: never }, ...one }) => ({ ...one, passesOver: never })),
    kinds,
    runs: runsAt(rows, branch),
    currentVote: change?.vote ?? null,
    review,
  };
}

/** Runs for this branch. */
function runsAt(rows: readonly LogRow[], branch: string): ReferenceState['runs'] {
  return rows.filter(isOpening).flatMap((opened, admitted) => {
    if ((opened.data.patchset as Patchset).branch !== branch) return [];
    const resolved = rows.findLast(
      ({ history, type }) => history === opened.history && type === 'change.looked-up',
    );
    const { dependencies } = (resolved?.data.change ?? { dependencies: [] }) as ResolvedChange;
    const jobs = opened.data.jobs as readonly { readonly job: string; readonly name: string }[];
    return jobs.map(({ job: id, name }) => {
      const reported = rows.find(
        ({ history, type, data }) =>
          history === opened.history && type === 'job.reported' && (data.report as JobReport).job === id,
      );
      const report = reported?.data.report as JobReport | undefined;
      return {
        review: opened.history,
        job: name,
        patchset: (opened.data.patchset as Patchset).patchset,
        admitted,
        verdict: report?.verdict ?? null,
        dependencies: JSON.stringify(dependencies.map(({ revision }) => revision)),
        // The comment does not include a job for which the review did not wait.
        evidencePending: report?.evidence !== 'published' || !cameInTime(rows, reported),
      };
    });
  });
}

function readingOf(rows: readonly LogRow[], review: string): LogRow | undefined {
  return rows.findLast(
    ({ history, type }) =>
      history === review && (type === 'change-state.read' || type === 'change-state.read-failed'),
  );
}

function changeStateAt(rows: readonly LogRow[], review: string): ChangeState | null {
  return (readingOf(rows, review)?.data.change ?? null) as ChangeState | null;
}

/** By the last state that was read; a change that could not be read counts as open. */
function isOpenAt(rows: readonly LogRow[], review: string): boolean {
  const read = changeStateAt(rows, review);
  return read === null || read.status === 'open';
}

/** Whether runs of this review on its patchset count for the current one. */
function ownCounts(state: ReferenceState, tested: number): boolean {
  // Its runs were for another branch.
  if (!state.runs.some(({ review }) => review === state.review)) return false;
  if (tested === state.kinds.length) return true;
  const own = state.runs.filter(({ review }) => review === state.review).map(({ job: name }) => name);
  return state.jobs.some(({ name, passesOver }) => {
    if (!own.includes(name)) return false;
    for (let number = state.kinds.length; number >= tested; number -= 1) {
      const runs = state.runs.some(
        (run) =>
          run.job === name &&
          run.patchset === number &&
          run.verdict !== null &&
          !['ABORTED', 'SKIPPED'].includes(run.verdict),
      );
      if (runs) return number === tested;
      if (!passesOver.includes(state.kinds[number - 1] ?? '')) return false;
    }
    return false;
  });
}

/** The review still waited when the job reported. */
function cameInTime(rows: readonly LogRow[], reported: LogRow | undefined): boolean {
  const before = rows.find(
    ({ history, version }) => history === reported?.history && version === reported.version - 1,
  );
  return before?.state === 'awaitingJobs' || before?.state.startsWith('preparing') === true;
}

/** Whether a voting job of this review has not ended. */
function waitsForever({ runs, review, jobs }: ReferenceState): boolean {
  const voting = new Set(jobs.filter((job) => job.voting).map(({ name }) => name));
  return runs.some((run) => run.review === review && run.verdict === null && voting.has(run.job));
}

/** Reviews that had a post under way at the same time. */
export function overlaps(ci: CiHarness): readonly string[] {
  const open = new Map<string, string>();
  const found: string[] = [];
  for (const { history, settles, effects } of ci.store.log()) {
    if (settles !== null) open.delete(`${history} ${settles}`);
    for (const effect of effects) {
      if (effect.type === 'postReview') open.set(`${history} ${effect.key}`, history);
    }
    if (new Set(open.values()).size > 1) found.push([...open.keys()].join(', '));
  }
  return found;
}
