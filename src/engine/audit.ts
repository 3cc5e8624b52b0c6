/**
 * The log against itself, and the views against the log. Reads everything, changes nothing; `rebuild` then makes the
 * views again from the rows alone.
 */

import type { AnyEvent } from '../machines/events.ts';
import { type Difference, replayHistory } from '../machines/replay.ts';
import type { Hash, LogRow, Stored } from '../machines/row.ts';
import { step } from '../machines/step.ts';
import type { Append, NumberedRow, Store, StoreReader } from './store.ts';
import { appendOf } from './view.ts';

export interface Audit {
  readonly histories: number;
  readonly rows: number;
  /** Histories whose rows do not replay to what was stored: the first difference of each. */
  readonly differences: readonly Difference[];
  /** Lines of the views that should be other, missing ones with `-`, surplus ones with `+`; at most `VIEW_LINES`. */
  readonly views: readonly string[];
}

const VIEW_LINES = 20;

/** @param scratch an empty store in memory, in which the views are made anew */
export function audit(store: StoreReader, scratch: Store, hash: Hash): Audit {
  const differences: Difference[] = [];
  let histories = 0;
  let rows = 0;
  for (const history of store.histories()) {
    const replayed = replayHistory(store.rows(history), hash);
    histories += 1;
    rows += replayed.rows;
    if (replayed.difference !== null) differences.push(replayed.difference);
  }
  // Views of a log that does not replay would differ in consequence; one fault is told, not two.
  if (differences.length > 0) return { histories, rows, differences, views: [] };
  scratch.replaceViews(refold(store.log(), hash));
  return { histories, rows, differences, views: compare(scratch.views(), store.views()) };
}

/** Makes the views again from the rows. Returns how many rows were read. @throws when a row does not replay */
export function rebuild(store: Store, hash: Hash): number {
  const appends = [...refold(store.log(), hash)];
  store.replaceViews(appends);
  return appends.length;
}

function* refold(rows: Iterable<NumberedRow>, hash: Hash): Iterable<Append & { readonly seq: number }> {
  const newest = new Map<string, Stored>();
  for (const row of rows) {
    const before = newest.get(row.history) ?? null;
    const stepped = step(before, { ...row, event: eventOf(row) }, hash);
    if (stepped.row.hash !== row.hash) {
      throw new Error(`${row.history}/${row.version} does not replay: run sos-ci replay ${row.history}`);
    }
    newest.set(row.history, stepped.stored);
    yield { ...appendOf(before, stepped), seq: row.seq };
  }
}

function eventOf(row: LogRow): AnyEvent {
  return { ...row.data, type: row.type } as unknown as AnyEvent;
}

function compare(expected: Iterable<string>, found: Iterable<string>): readonly string[] {
  const missing = new Set(expected);
  const lines: string[] = [];
  for (const line of found) {
    if (!missing.delete(line) && lines.length < VIEW_LINES) lines.push(`+ ${line}`);
  }
  for (const line of missing) if (lines.length < VIEW_LINES) lines.push(`- ${line}`);
  return lines;
}
