/** `sos-ci replay`: recomputes every row of a history from its events and compares the rows with the stored ones. */
import { createHash } from 'node:crypto';
import type { StoreReader } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { type Difference, replayHistory } from '../../machines/replay.ts';
import { plainText } from '../../terminal-text.ts';
import { findHistory } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { cut } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';

export interface ReplayOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

interface ReplayTotals {
  readonly histories: number;
  readonly rows: number;
  readonly ms: number;
  readonly difference: Difference | null;
}

/** Exit code 0 when all rows are equal, 1 at the first difference. */
export function replayCommand(
  io: Io,
  reader: StoreReader,
  typed: string | undefined,
  options: ReplayOptions,
): number {
  if ((typed === undefined) === (options.all !== true)) {
    throw new CliError(
      EXIT.usage,
      'name one history, or use --all',
      'sos-ci replay ID, or sos-ci replay --all',
    );
  }
  const histories = typed === undefined ? reader.histories() : [findHistory(reader, typed)];
  const totals = replayAll(io, reader, histories);
  const exit = totals.difference === null ? EXIT.ok : EXIT.negative;
  if (options.json) {
    printJson(io, { ...totals, equal: totals.difference === null });
    return exit;
  }
  const done = `${count(totals.rows, 'row')} of ${totals.histories} ${totals.histories === 1 ? 'history' : 'histories'}`;
  if (totals.difference === null) {
    io.out(`${paint(io, 'green', 'equal')}: ${done} in ${formatDuration(totals.ms)}\n`);
    return exit;
  }
  printDifference(io, totals.difference);
  io.out(`${done} before it were equal, in ${formatDuration(totals.ms)}\n`);
  return exit;
}

function replayAll(io: Io, reader: StoreReader, histories: Iterable<string>): ReplayTotals {
  const started = io.now();
  let replayed = 0;
  let rows = 0;
  for (const history of histories) {
    const result = replayHistory(reader.rows(history), sha256);
    replayed += 1;
    rows += result.rows;
    if (result.difference !== null) {
      return { histories: replayed, rows, ms: io.now() - started, difference: result.difference };
    }
    if (io.progress && replayed % 500 === 0) io.err(`\r${replayed} histories, ${rows} rows`);
  }
  if (io.progress && replayed >= 500) io.err('\r\u001b[K');
  return { histories: replayed, rows, ms: io.now() - started, difference: null };
}

const SHOWN = 2000;

function printDifference(io: Io, difference: Difference): void {
  const location = `history ${difference.history}, row ${difference.version}`;
  io.out(`${paint(io, 'red', 'different')}: ${plainText(location)}, in ${difference.field}\n`);
  io.out(`  stored    ${cut(plainText(difference.stored), SHOWN)}\n`);
  io.out(`  computed  ${cut(plainText(difference.computed), SHOWN)}\n`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
