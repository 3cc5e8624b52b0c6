/**
 * The log against itself, and the views against the log. Reads everything, changes nothing; `rebuild` then makes the
 * views again from the rows alone.
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

export interface LogReport {
  readonly histories: number;
  readonly rows: number;
  /** Histories whose rows do not replay to what was stored: the first difference of each. */
  readonly differences: readonly Difference[];
  /** Tables, indexes and triggers that are missing (`-`) or not as this program made them (`+`), by type and name. */
  readonly schema: readonly string[];
  /** Lines of the views that should be other, missing ones with `-`, surplus ones with `+`; at most `VIEW_LINES`. */
  readonly views: readonly string[];
}

const VIEW_LINES = 20;

/** @param scratch an empty store in memory, in which the views are made again */
export function verifyLog(store: StoreReader, scratch: Store, hash: Hash): LogReport {
  const schema = compare(scratch.schema(), store.schema()).map(nameOf);
  const differences: Difference[] = [];
  let histories = 0;
  let rows = 0;
  for (const history of store.histories()) {
    const replayed = replayOne(store, history, hash);
    histories += 1;
    rows += replayed.rows;
    if (replayed.difference !== null) differences.push(replayed.difference);
  }
  // Views of a log that does not replay would differ in consequence; one fault is told, not two.
  if (differences.length > 0) return { histories, rows, differences, schema, views: [] };
  try {
    scratch.replaceViews(refold(store, hash));
  } catch (thrown) {
    if (!(thrown instanceof LogFault)) throw thrown;
    return { histories, rows, differences: [thrown.difference], schema, views: [] };
  }
  return { histories, rows, differences, schema, views: compare(scratch.views(), store.views()) };
}

/** Makes the views again from the rows. Returns how many rows were read. @throws LogFault when the log is damaged */
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

/** The rows are not what they were: nothing may be made from them. */
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

function replayOne(store: StoreReader, history: string, hash: Hash): Replayed {
  try {
    return replayHistory(store.rows(history), hash);
  } catch (thrown) {
    if (!(thrown instanceof UnreadableRow)) throw thrown;
    return { rows: 0, difference: unreadable(thrown), stored: null };
  }
}

/** Folds the whole log in its order. Only open histories are kept in memory: there are few, however long the log. */
function* refold(store: StoreReader, hash: Hash): Iterable<LogEntry & { readonly seq: number }> {
  const open = new Map<string, HistorySnapshot>();
  let expected = 1;
  for (const row of readableLog(store)) {
    const { history, version, seq } = row;
    // Numbers have no gaps, so one shows that rows were taken out, even a history as a whole.
    if (seq !== expected) throw faultAt(row, 'seq', String(seq), String(expected));
    expected += 1;
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

/** `- trigger event_rows_stay`, without the text of the object. */
function nameOf(line: string): string {
  return line.split(' ').slice(0, 3).join(' ');
}

/** What is told to a history that has ended: rare, so its rows are read once more. */
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

/** Both come in the same order, so that where they are equal nothing is kept. */
function compare(expected: Iterable<string>, found: Iterable<string>): readonly string[] {
  const missing = new Set<string>();
  const surplus = new Set<string>();
  const [ours, theirs] = [expected[Symbol.iterator](), found[Symbol.iterator]()];
  for (
    let [a, b] = [ours.next(), theirs.next()];
    !(a.done && b.done);
    [a, b] = [ours.next(), theirs.next()]
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
