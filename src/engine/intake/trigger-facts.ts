/** The facts that the trigger decides on, read from the store and from the open histories. */

import type { Patchset } from '../../machines/model/domain.ts';
import type { ChangeName } from '../../machines/model/gerrit-event.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import type { ReviewSummary } from '../../machines/protocol/version.ts';
import { type CountedStart, LIMIT_WINDOW_MS } from '../../machines/trigger/rules/rate-limit.ts';
import { lastStart, type StartLookup } from '../../machines/trigger/rules/trigger-key.ts';
import { createdTrigger } from '../../machines/trigger/trigger.ts';
import type { OpenReview } from '../../machines/trigger/trigger-facts.ts';
import { versionOf } from '../../machines/versions.ts';
import type { JobView, Store } from '../ports/store.ts';

type Started = Pick<Store, 'startedBy' | 'stored'>;
type Histories = ReadonlyMap<string, HistorySnapshot>;

/** Of one change; more are not looked at. */
const JOBS_LIMIT = 1_000;

/** The open reviews of a change, and those that have jobs left which they no longer wait for. */
export function openReviews(
  store: Pick<Store, 'openReviews' | 'jobs'>,
  histories: Histories,
  { project, change }: ChangeName,
): readonly OpenReview[] {
  const left = jobsLeft(store, histories, change).filter((job) => job.project === project);
  const open = store.openReviews(project, change).map(({ id, patchset, branch }): OpenReview => {
    const review = summaryOf(histories.get(id));
    const begun = (review?.jobs ?? []).some((job) => !isQueued(histories.get(job)));
    const ofReview = left.filter((job) => job.review === id).map(({ name }) => name);
    const jobs = [...(review?.expected ?? []), ...ofReview];
    return { id, patchset, branch, jobs, requiredVote: review?.requiredVote ?? null, begun };
  });
  const ended = left.filter(({ review }) => !open.some(({ id }) => id === review));
  return [
    ...open,
    ...ended.map(
      ({ review: id, patchset, branch, name, queued }): OpenReview => ({
        ...{ id, patchset, branch, jobs: [name], requiredVote: null, begun: !queued },
      }),
    ),
  ];
}

/** Jobs that run although their review no longer waits for them: it had waited too long. In the order of their ids. */
export function jobsLeft(
  store: Pick<Store, 'jobs'>,
  histories: Histories,
  change: number,
): readonly JobView[] {
  return store
    .jobs({ open: true, change, limit: JOBS_LIMIT })
    .filter(({ cleaningUp, review, name }) => {
      const expected = summaryOf(histories.get(review))?.expected ?? [];
      return !cleaningUp && !expected.includes(name);
    })
    .reverse();
}

function summaryOf(stored: HistorySnapshot | null | undefined): ReviewSummary | null {
  return stored ? versionOf(stored).summarizeReview(stored) : null;
}

/** A job that is not open is not queued either. */
function isQueued(job: HistorySnapshot | undefined): boolean {
  return job !== undefined && versionOf(job).isQueued(job);
}

/** Caches the last result: waiting starts are checked in one batch. */
export function startsIn(store: Pick<Store, 'starts'>): (until: number) => readonly CountedStart[] {
  let known: { readonly until: number; readonly starts: readonly CountedStart[] } | null = null;
  return (until) => {
    if (known?.until === until) return known.starts;
    const starts = store.starts({ since: until - LIMIT_WINDOW_MS, until });
    known = { until, starts };
    return starts;
  };
}

export function startLookup(store: Started): StartLookup {
  return (trigger, branch) => {
    const review = store.startedBy(trigger);
    if (review === null) return 'nothing';
    const summary = summaryOf(store.stored(review));
    if (summary === null) return 'test';
    if (summary.patchset.branch !== branch) return 'other';
    if (summary.hidden) return 'hidden';
    return summary.withdrawn ? 'other' : 'test';
  };
}

/** True while the patchset waits to become visible, after it was rejected as hidden. */
export function awaitsReady(store: Started, patchset: Patchset): boolean {
  return lastStart(startLookup(store), createdTrigger(patchset), patchset.branch) === 'hidden';
}
