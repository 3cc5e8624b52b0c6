/** Whether a resource that carries our mark has an owner that lives: what has none is a leak. */
import { openHolds } from '../../machines/hold/open-holds.ts';
import type { Ownership } from '../../machines/model/domain.ts';
import type { StoreReader } from '../ports/store.ts';

/**
 * `living`: it is in use. `ended`: no process needs it any more, and the store proves that it was ours. `unknown`: the
 * store does not know the job, so nothing proves that it may be removed.
 */
export type OwnerState = 'living' | 'ended' | 'unknown';

export function ownerState(
  store: Pick<StoreReader, 'job' | 'openHistories'>,
  { job }: Pick<Ownership, 'job'>,
): OwnerState {
  const known = store.job(job);
  if (known === null) return 'unknown';
  // A job that has ended may have handed its server over to a hold.
  const isLiving = !known.ended || openHolds(store).some(({ held }) => held?.job === job);
  return isLiving ? 'living' : 'ended';
}
