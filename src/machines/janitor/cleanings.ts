/** The newest cleaning of each janitor in a store, and the back ends that janitors have now. */
import type { HistorySnapshot } from '../protocol/row.ts';
import type { CleaningStatus } from '../protocol/version.ts';
import { versionOf } from '../versions.ts';

/** The first character of a cleaning's id. No other history has it. */
const PREFIX = 'c';
/** A janitor whose last cleaning is not among this many newest ones counts as one that never cleaned. */
const MAX_CLEANINGS = 1_000;

interface Histories {
  openHistories(prefix: string): readonly HistorySnapshot[];
  newestHistories(prefix: string, limit: number): readonly HistorySnapshot[];
}

/** The newest cleaning of each janitor, by the janitor's name. */
export function lastCleanings(store: Histories): ReadonlyMap<string, CleaningStatus> {
  const found = new Map<string, CleaningStatus>();
  for (const stored of store.newestHistories(PREFIX, MAX_CLEANINGS)) {
    const status = versionOf(stored).cleaningStatus(stored);
    if (status !== null && !found.has(status.janitor)) found.set(status.janitor, status);
  }
  return found;
}

/** The back ends that janitors have now. */
export function heldBackends(store: Histories) {
  return store.openHistories(PREFIX).flatMap((stored) => versionOf(stored).heldSlot(stored) ?? []);
}
