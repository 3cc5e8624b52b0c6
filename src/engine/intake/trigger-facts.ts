/** The facts that the trigger decides on, read from the store and from the histories that are open. */

import type { Patchset, PreparePlan } from '../../machines/model/domain.ts';
import type { ChangeName } from '../../machines/model/gerrit-event.ts';
import type { Stored } from '../../machines/protocol/row.ts';
import type { ReviewContext } from '../../machines/review/machine-setup.ts';
import { type CountedStart, LIMIT_WINDOW_MS } from '../../machines/trigger/rules/rate-limit.ts';
import { type BeganBy, lastStart } from '../../machines/trigger/rules/trigger-key.ts';
import { createdTrigger } from '../../machines/trigger/trigger.ts';
import type { OpenReview } from '../../machines/trigger/trigger-facts.ts';
import type { Store } from '../ports/store.ts';

type Started = Pick<Store, 'startedBy' | 'stored'>;
type Histories = ReadonlyMap<string, Stored>;

export function openReviews(
  store: Pick<Store, 'openReviews'>,
  histories: Histories,
  { project, change }: ChangeName,
): readonly OpenReview[] {
  return store.openReviews(project, change).map(({ id, patchset, branch }) => {
    const { state = 'awaitingJobs', context } = histories.get(id) ?? {};
    const plan = state.startsWith('preparing') ? (context?.plan as PreparePlan | undefined) : undefined;
    const testing = /^(preparing|awaitingJobs)\b/.test(state) && context?.hidden !== true;
    const jobs = testing ? unreported(context) : [];
    return { id, patchset, branch, jobs, hold: plan?.hold ?? null, begun: hasBegun(context, histories) };
  });
}

function unreported(context: Stored['context'] | undefined): readonly string[] {
  const { jobs = [], reports = [] } = (context ?? {}) as Partial<ReviewContext>;
  return jobs.filter(({ job }) => !reports.some((report) => report.job === job)).map(({ name }) => name);
}

/** A job that is not open any more has left the queue too. */
function hasBegun(context: Stored['context'] | undefined, histories: Histories): boolean {
  const { jobs = [] } = (context ?? {}) as Partial<ReviewContext>;
  return jobs.some(({ job }) => !(histories.get(job)?.state.startsWith('queued') ?? false));
}

/** Remembers the last answer: starts that wait are looked at in one go. */
export function startsIn(store: Pick<Store, 'starts'>): (until: number) => readonly CountedStart[] {
  let known: { readonly until: number; readonly starts: readonly CountedStart[] } | null = null;
  return (until) => {
    if (known?.until === until) return known.starts;
    const starts = store.starts({ since: until - LIMIT_WINDOW_MS, until });
    known = { until, starts };
    return starts;
  };
}

export function beganBy(store: Started): BeganBy {
  return (trigger, branch) => {
    const review = store.startedBy(trigger);
    if (review === null) return 'nothing';
    const { hidden, outcome, patchset } = (store.stored(review)?.context ?? {}) as Partial<ReviewContext>;
    if (patchset !== undefined && patchset.branch !== branch) return 'other';
    if (hidden === true) return 'hidden';
    return outcome === 'withdrawn' ? 'other' : 'test';
  };
}

/** True while the patchset waits to be shown, after it was refused for being hidden. */
export function waitsToBeShown(store: Started, patchset: Patchset): boolean {
  return lastStart(beganBy(store), createdTrigger(patchset), patchset.branch) === 'hidden';
}
