/**
 * `sos-ci history NAME|ID`: the rows of one history: `stream` (the connection to Gerrit), `voting`, `archive`, or a
 * review, job, hold or cleaning by its id. Shows the newest rows, because some histories last as long as the database.
 */
import type { NumberedRow, StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { findHistory } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { eventsJson, pendingJson, printPending, printRows } from '../output/history-table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';

/** Rows that are printed without --json. */
const SHOWN = 100;

/** @param typed the first characters of the history's name */
export function historyCommand(
  io: Io,
  reader: StoreReader,
  typed: string,
  options: { readonly json?: boolean },
): number {
  const name = findHistory(reader, typed);
  const stored = reader.stored(name);
  if (stored === null)
    throw new CliError(EXIT.store, `the views have no history ${plainText(name)}`, 'sos-ci rebuild');
  const rows = reader.rows(stored.history);
  const pending = reader.outbox(stored.history);
  const start = rows[0]?.at ?? stored.at;
  if (options.json) {
    const { history, machine, state, ended, at, context } = stored;
    const head = { history, machine, state, ended, changedAt: iso(at), context };
    printJson(io, { ...head, pending: pendingJson(pending), events: eventsJson(rows, start) }, 'events');
    return EXIT.ok;
  }
  io.out(`${paint(io, 'bold', plainText(`${stored.history}  ${stored.state}  (${stored.machine})`))}\n`);
  io.out(`  since ${utc(start)}, ${count(rows.length, 'row')}${older(rows)}\n\n`);
  printRows(io, null, rows.slice(-SHOWN));
  printPending(io, pending);
  return EXIT.ok;
}

function older(rows: readonly NumberedRow[]): string {
  return rows.length <= SHOWN ? '' : `; the newest ${SHOWN} are shown, --json prints all`;
}
