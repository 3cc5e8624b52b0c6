/**
 * `sos-ci job NAME` for a history that is no job: the connection (`stream`), the votes (`voting`), the vigil (`vigil`), the
 * configuration (`config`), or a review by its id. The newest of its rows, because these last as long as the database.
 */
import type { NumberedRow, StoreReader } from '../../engine/ports/store.ts';
import type { Stored } from '../../machines/protocol/row.ts';
import { plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { eventsJson, owedJson, printOwed, printRows } from '../output/history-table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';

/** Rows that people are shown. */
const SHOWN = 100;

export function historyCommand(
  io: Io,
  reader: StoreReader,
  stored: Stored,
  options: { readonly json?: boolean },
): number {
  const rows = reader.rows(stored.history);
  const owed = reader.owed(stored.history);
  const start = rows[0]?.at ?? stored.at;
  if (options.json) {
    const { history, machine, state, ended, at, context } = stored;
    const head = { history, machine, state, ended, changedAt: iso(at), context };
    printJson(io, { ...head, owed: owedJson(owed), events: eventsJson(rows, start) });
    return EXIT.ok;
  }
  io.out(`${paint(io, 'bold', plainText(`${stored.history}  ${stored.state}  (${stored.machine})`))}\n`);
  io.out(`  since ${utc(start)}, ${count(rows.length, 'row')}${older(rows)}\n\n`);
  printRows(io, null, rows.slice(-SHOWN));
  printOwed(io, owed);
  return EXIT.ok;
}

function older(rows: readonly NumberedRow[]): string {
  return rows.length <= SHOWN ? '' : `; the newest ${SHOWN} are shown, --json prints all`;
}
