/**
 * Verifies the log's integrity, and the views against the log. Reads everything and changes nothing; `rebuild` rebuilds
 * the views from the rows alone.
 */

import { OperationError } from '../../errors.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Hash, HistorySnapshot, LogRow } from '../../machines/protocol/row.ts';
import { type Difference, type Replayed, replayHistory } from '../../machines/replay.ts';
import { step } from '../../machines/step.ts';
import { toLogEntry } from '../loop/projections.ts';
import {
  type LogEntry,
  type NumberedRow,
  type Store,
  type StoreReader,
  UnreadableRow,
} from '../ports/store.ts';
import { accounted, findUnaccounted, startOf } from './verify-archive.ts';

export interface LogReport {
  readonly histories: number;
  readonly rows: number;
  /** The first difference of each history whose rows do not replay to the stored state. */
  readonly differences: readonly Difference[];
  /**
   * Tables, indexes and triggers that are missing (`-`) or differ from this program's schema (`+`), by type and name.
   */
  readonly schema: readonly string[];
  /** Differing lines of the views, missing ones with `-`, surplus ones with `+`; at most `VIEW_LINES`. */
  readonly views: readonly string[];
}

const VIEW_LINES = 20;

/**
 * @param scratch an empty in-memory store, in which the views are rebuilt
 * @param checksums the archive files that exist, by number
 */
export function verifyLog(
  store: StoreReader,
  scratch: Store,
  hash: Hash,
  checksums: ReadonlyMap<number, string> = new Map(),
): LogReport {
  const schema = compare(scratch.schema(), store.schema()).map(nameOf);
  const differences: Difference[] = [];
  let histories = 0;
  let rows = 0;
  const starts = new Map<string, string>();
  for (const history of store.histories()) {
    const replayed = replayOne(store, history, hash, starts);
    histories += 1;
    rows += replayed.rows;
    if (replayed.difference !== null) differences.push(replayed.difference);
  }
  if (differences.length === 0)
    differences.push(...findUnaccounted(starts, accounted(store, hash), checksums));
  // Views of a log that does not replay differ as a consequence: only the log's fault is reported.
  if (differences.length > 0) return { histories, rows, differences, schema, views: [] };
  try {
    scratch.replaceViews(refold(store, hash));
  } catch (thrown) {
    if (!(thrown instanceof LogFault)) throw thrown;
    return { histories, rows, differences: [thrown.difference], schema, views: [] };
  }
  return { histories, rows, differences, schema, views: compare(scratch.views(), store.views()) };
}

/** Rebuilds the views from the rows. Returns how many rows were read. @throws LogFault when the log is damaged */
export function rebuild(store: Store, hash: Hash): number {
  let rows = 0;
  const counted = function* () {
    for (const append of refold(store, hash)) {
      rows += 1;
      yield append;
    }
  };
  store.replaceViews(counted());
  return rows;
}

/** The rows were changed or damaged: nothing may be built from them. */
class LogFault extends OperationError {
  readonly difference: Difference;

  constructor(difference: Difference) {
    super({
      operation: 'read database',
      target: `${difference.history}/${difference.version}`,
      message: 'the log is damaged here',
      retryable: false,
      hint: 'run sos-ci verify, and restore a backup',
    });
    this.difference = difference;
  }
}

/** @param starts gets where the history starts, if that is not its row 1 */
function replayOne(store: StoreReader, history: string, hash: Hash, starts: Map<string, string>): Replayed {
  try {
    const rows = store.rows(history);
    const start = startOf(rows[0]);
    if (start !== null) starts.set(history, start);
    return replayHistory(rows, hash);
  } catch (thrown) {
    if (!(thrown instanceof UnreadableRow)) throw thrown;
    return { rows: 0, difference: unreadable(thrown), stored: null };
  }
}

/** Folds the whole log in order. Keeps only open histories in memory: there are few, however long the log is. */
function* refold(store: StoreReader, hash: Hash): Iterable<LogEntry & { readonly seq: number }> {
  const open = new Map<string, HistorySnapshot>();
  const absent = new Map(accounted(store, hash)?.absent ?? []);
  const nextPresent = (seq: number) => (absent.get(seq + 1) ?? seq) + 1;
  let expected = nextPresent(0);
  for (const row of readableLog(store)) {
    const { history, version, seq } = row;
    // A gap for which no row accounts shows that rows were removed, even those of a whole history.
    if (seq !== expected) throw faultAt(row, 'seq', String(seq), String(expected));
    expected = nextPresent(seq);
    const before = open.get(history) ?? (version > 1 ? replayBefore(store, row, hash) : null);
    const stepped = step(before, { ...row, event: eventOf(row) }, hash);
    if (stepped.row.hash !== row.hash) throw faultAt(row, 'hash', row.hash, stepped.row.hash);
    if (stepped.stored.ended) open.delete(history);
    else open.set(history, stepped.stored);
    yield { ...toLogEntry(before, stepped), seq };
  }
}

function* readableLog(store: StoreReader): Iterable<NumberedRow> {
  try {
    yield* store.log();
  } catch (thrown) {
    throw thrown instanceof UnreadableRow ? new LogFault(unreadable(thrown)) : thrown;
  }
}

function unreadable({ history, version, field, message }: UnreadableRow): Difference {
  return { history, version, field, stored: message, computed: 'JSON' };
}

/** For example `- trigger event_rows_stay`, without the object's text. */
function nameOf(line: string): string {
  return line.split(' ').slice(0, 3).join(' ');
}

/** The state of an ended history before this row: events for ended histories are rare, so the rows are read again. */
function replayBefore(store: StoreReader, row: NumberedRow, hash: Hash): HistorySnapshot | null {
  return replayHistory(
    store.rows(row.history).filter(({ version }) => version < row.version),
    hash,
  ).stored;
}

function faultAt(row: NumberedRow, field: string, stored: string, computed: string): LogFault {
  return new LogFault({ history: row.history, version: row.version, field, stored, computed });
}

function eventOf(row: LogRow): AnyEvent {
  return { ...row.data, type: row.type } as unknown as AnyEvent;
}

/** Both inputs have the same order, so equal lines are dropped at once. */
function compare(expected: Iterable<string>, found: Iterable<string>): readonly string[] {
  const missing = new Set<string>();
  const surplus = new Set<string>();
  const [expectedLines, foundLines] = [expected[Symbol.iterator](), found[Symbol.iterator]()];
  for (
    let [a, b] = [expectedLines.next(), foundLines.next()];
    !(a.done && b.done);
    [a, b] = [expectedLines.next(), foundLines.next()]
  ) {
    if (!a.done && !b.done && a.value === b.value) continue;
    if (!a.done && !surplus.delete(a.value)) missing.add(a.value);
    if (!b.done && !missing.delete(b.value)) surplus.add(b.value);
  }
  return [...Array.from(surplus, (line) => `+ ${line}`), ...Array.from(missing, (line) => `- ${line}`)].slice(
    0,
    VIEW_LINES,
  );
}
