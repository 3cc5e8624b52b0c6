/** `sos-ci events`: the newest rows of the log, of all histories, and with `--follow` those that are appended. */
import type { NumberedRow, StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { shortId } from '../input/resolve-id.ts';
import { onCommits, type Watch } from '../input/watch.ts';
import { rowText } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, paint, printJson, printJsonLine } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';

export interface EventsOptions {
  readonly limit: number;
  readonly history?: string;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** A burst is printed in several steps. */
const PAGE_ROWS = 500;

export async function eventsCommand(
  io: Io,
  reader: StoreReader,
  options: EventsOptions,
  watch: Watch,
): Promise<number> {
  const { limit, history, follow, json } = options;
  const isWanted = (row: NumberedRow): boolean => history === undefined || row.history.startsWith(history);
  let last = reader.length();
  const newest = newestRows(reader, last, limit, history);
  if (!follow) {
    if (json) printJson(io, { events: newest.map(eventJson) }, 'events');
    else if (newest.length === 0) io.out('no events\n');
    else printTable(io, COLUMNS, newest);
    return EXIT.ok;
  }
  const print = (row: NumberedRow): void => (json ? printJsonLine(io, eventJson(row)) : printRow(io, row));
  newest.forEach(print);
  await onCommits(reader, watch, () => {
    for (
      let page = reader.rowsAfter(last, PAGE_ROWS);
      page.length > 0;
      page = reader.rowsAfter(last, PAGE_ROWS)
    ) {
      page.filter(isWanted).forEach(print);
      last = page.at(-1)?.seq ?? last;
    }
  });
  return EXIT.ok;
}

/** Up to `limit` of the rows up to the number `last`, oldest first. */
function newestRows(
  reader: StoreReader,
  last: number,
  limit: number,
  prefix: string | undefined,
): readonly NumberedRow[] {
  if (prefix === undefined)
    return reader.rowsAfter(Math.max(0, last - limit), limit).filter(({ seq }) => seq <= last);
  const names = [...reader.histories()].filter((name) => name.startsWith(prefix));
  const rows = names.flatMap((name) => reader.rows(name)).filter(({ seq }) => seq <= last);
  return rows.sort((one, other) => one.seq - other.seq).slice(-limit);
}

const COLUMNS: readonly Column<NumberedRow>[] = [
  { title: 'TIME (UTC)', text: timeOf, dropOrder: 2 },
  { title: 'HISTORY', text: ({ history }) => shortId(history) },
  { title: 'STATE', text: ({ state }) => topState(state), dropOrder: 1 },
  { title: 'EVENT', text: rowText, minWidth: 30 },
];

/** Without the year, as in `history`. */
function timeOf({ at }: NumberedRow): string {
  return utc(at).slice(5, -4);
}

/** Without a table: the width of the rows that follow is not known. */
function printRow(io: Io, row: NumberedRow): void {
  const head = paint(io, 'dim', timeOf(row));
  const text = `${shortId(row.history)}  ${topState(row.state)}  ${rowText(row)}`;
  io.out(`${head}  ${plainText(text)}\n`);
}

/** Documented in docs/cli.md. */
function eventJson(row: NumberedRow) {
  const { seq, history, version, type, at, state, outcome, settles, data } = row;
  return { seq, history, version, type, at: iso(at), state, outcome, settles, data, text: rowText(row) };
}
