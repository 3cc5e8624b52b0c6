/** `sos-ci replay`: recomputes every row of a history from its events and compares the rows with the stored ones. */
import { createHash } from 'node:crypto';
import type { StoreReader } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import type { LogRow } from '../../machines/protocol/row.ts';
import { type Difference, replayHistory } from '../../machines/replay.ts';
import { plainText } from '../../terminal-text.ts';
import { findHistory } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { cut } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';

export interface ReplayOptions {
  readonly all?: boolean;
  /** An archive file; needs no database. */
  readonly file?: string;
  readonly json?: boolean;
}

interface ReplayTotals {
  readonly histories: number;
  readonly rows: number;
  readonly ms: number;
  readonly difference: Difference | null;
}

/** A history and its rows. */
type NamedRows = readonly [history: string, rows: () => readonly LogRow[]];

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
  return replayAndPrint(io, rowsOf(reader, histories), options);
}

/** The same for an archive file: all of its histories, or those whose name begins with `typed`. */
export async function replayFileCommand(
  io: Io,
  file: string,
  typed: string | undefined,
  options: ReplayOptions,
): Promise<number> {
  const { readArchive } = await import('../../app/read-archive.ts');
  const found = await readArchive(file, typed ?? '');
  if (found.size === 0)
    throw new CliError(
      EXIT.usage,
      typed === undefined
        ? 'the file has no rows'
        : `no history in it begins with ${plainText(JSON.stringify(typed))}`,
      'replay all of it: sos-ci replay --file FILE',
    );
  const histories = [...found].map(([history, rows]): NamedRows => [history, () => rows]);
  return replayAndPrint(io, histories, options);
}

function* rowsOf(reader: StoreReader, histories: Iterable<string>): Iterable<NamedRows> {
  for (const history of histories) yield [history, () => reader.rows(history)];
}

function replayAndPrint(io: Io, histories: Iterable<NamedRows>, options: ReplayOptions): number {
  const totals = replayAll(io, histories);
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

function replayAll(io: Io, histories: Iterable<NamedRows>): ReplayTotals {
  const started = io.now();
  let replayed = 0;
  let rows = 0;
  for (const [, read] of histories) {
    const result = replayHistory(read(), sha256);
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

export function printDifference(io: Io, difference: Difference): void {
  const location = `history ${difference.history}, row ${difference.version}`;
  io.out(`${paint(io, 'red', 'different')}: ${plainText(location)}, in ${difference.field}\n`);
  io.out(`  stored    ${cut(plainText(difference.stored), SHOWN)}\n`);
  io.out(`  computed  ${cut(plainText(difference.computed), SHOWN)}\n`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
