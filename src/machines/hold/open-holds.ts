/** The holds of a store that have not ended, oldest first. */
import type { HistorySnapshot } from '../protocol/row.ts';
import type { HoldStatus } from '../protocol/version.ts';
import { versionOf } from '../versions.ts';

/** The first character of a hold's id. No other history has it. */
const PREFIX = 'h';

interface OpenHistories {
  openHistories(prefix: string): readonly HistorySnapshot[];
}

export function openHolds(store: OpenHistories): readonly HoldStatus[] {
  return store.openHistories(PREFIX).flatMap((stored) => versionOf(stored).holdStatus(stored) ?? []);
}

/** The slots that held servers take. */
export function heldSlots(store: OpenHistories) {
  return store.openHistories(PREFIX).flatMap((stored) => versionOf(stored).heldSlot(stored) ?? []);
}
