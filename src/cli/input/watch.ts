/** Repeats a query whenever the database changes. */
import type { StoreReader } from '../../engine/ports/store.ts';

export interface Watch {
  /** Aborted: the watch ends. */
  readonly signal: AbortSignal;
  sleep(ms: number): Promise<void>;
}

const POLL_MS = 500;

/** Calls `changed` now and after each commit of the daemon. One answer may cover several commits. */
export async function onCommits(
  reader: Pick<StoreReader, 'commits'>,
  { signal, sleep }: Watch,
  changed: () => void,
): Promise<void> {
  let seen: number | null = null;
  while (!signal.aborted) {
    const commits = reader.commits();
    // Read before the query: a commit in between is noticed at the next poll.
    if (commits !== seen) changed();
    seen = commits;
    await sleep(POLL_MS);
  }
}
