/** `sos-ci verify`: every hash chain, and every view against the log that it was made from. */
import { verifyDatabase } from '../../app/database-admin.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { cut } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';

export interface VerifyOptions {
  readonly json?: boolean;
}

/** What was found. The log is at fault where there are differences; the views alone where there are lines. */
export interface Verified {
  readonly histories: number;
  readonly rows: number;
  readonly differences: readonly {
    readonly history: string;
    readonly version: number;
    readonly field: string;
  }[];
  /** Tables, indexes and triggers that are missing (`-`) or not as this program made them (`+`). */
  readonly schema: readonly string[];
  /** Lines of the views that should be other: missing ones with `-`, surplus ones with `+`. */
  readonly views: readonly string[];
}

const SHOWN = 20;

/** Exit code 0 when all fits, 1 when not. */
export function verifyCommand(io: Io, stateDir: string, options: VerifyOptions): number {
  const started = io.now();
  const verified = verifyDatabase(stateDir);
  return printVerified(io, verified, io.now() - started, options);
}

export function printVerified(io: Io, verified: Verified, ms: number, options: VerifyOptions): number {
  const { histories, rows, differences, schema, views } = verified;
  const sound = differences.length === 0 && schema.length === 0 && views.length === 0;
  if (options.json) {
    const locations = differences.map(({ history, version, field }) => ({ history, version, field }));
    printJson(io, { sound, histories, rows, ms, differences: locations, schema, views });
    return sound ? EXIT.ok : EXIT.negative;
  }
  const read = `${count(rows, 'row')} of ${histories} ${histories === 1 ? 'history' : 'histories'}, in ${formatDuration(ms)}`;
  if (sound) {
    io.out(`${paint(io, 'green', 'sound')}: hash chains and views fit; ${read}\n`);
    return EXIT.ok;
  }
  if (schema.length > 0) printSchema(io, schema);
  if (differences.length > 0) {
    io.out(
      `${paint(io, 'red', 'damaged')}: ${differences.length} ${differences.length === 1 ? 'history' : 'histories'} of the log; ${read} were sound\n`,
    );
    for (const { history, version, field } of differences.slice(0, SHOWN)) {
      io.out(plainText(`  ${history}, row ${version}: ${field}`));
      io.out('\n');
    }
    io.out('Compare one: sos-ci replay ID. Restore a backup, or keep this file for whoever looks into it.\n');
    return EXIT.negative;
  }
  if (views.length === 0) return EXIT.negative;
  io.out(`${paint(io, 'yellow', 'views differ')} from the log, which is sound; ${read}\n`);
  for (const line of views.slice(0, SHOWN)) io.out(`  ${cut(plainText(line), io.width - 2)}\n`);
  io.out('Make them again: stop the daemon, then sos-ci rebuild\n');
  return EXIT.negative;
}

function printSchema(io: Io, schema: readonly string[]): void {
  io.out(
    `${paint(io, 'red', 'the schema was changed')}: its triggers keep rows of the log from being changed\n`,
  );
  for (const line of schema.slice(0, SHOWN)) io.out(`  ${cut(plainText(line), io.width - 2)}\n`);
  io.out('Find out who changed it, and restore a backup. - is missing, + is not as sos-ci made it.\n');
}
