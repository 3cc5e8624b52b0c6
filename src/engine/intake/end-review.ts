/** What is sent to end a review with all its jobs, also those that it no longer waits for. */
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import type { Decision } from '../../machines/trigger/trigger.ts';
import { type Submission, submissionFor } from '../loop/dispatch.ts';
import type { Store } from '../ports/store.ts';
import { jobsLeft } from './trigger-facts.ts';

export function endReview(
  decision: Extract<Decision, { readonly do: 'cancel' | 'supersede' }>,
  store: Pick<Store, 'review' | 'jobs'>,
  histories: ReadonlyMap<string, HistorySnapshot>,
): readonly Submission[] {
  const review = store.review(decision.review);
  const left = review === null ? [] : jobsLeft(store, histories, review.change);
  const jobs = left.filter((job) => job.review === decision.review);
  const [ofReview, ofJob] =
    decision.do === 'cancel'
      ? ([
          { type: 'review.cancelled', reason: decision.why },
          { type: 'job.cancelled', reason: decision.why },
        ] as const)
      : ([
          { type: 'review.superseded', by: decision.by },
          { type: 'job.superseded', by: decision.by },
        ] as const);
  return [
    ...(review?.ended ? [] : [submissionFor(decision.review, ofReview)]),
    ...jobs.map(({ id }) => submissionFor(id, ofJob)),
  ];
}
