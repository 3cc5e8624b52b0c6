/** `sos-ci verify`: checks every hash chain, the archive files, and every view against the log. */
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

/** The result. `differences` mean that the log is damaged; `views` mean that only the views are. */
export interface Verified {
  readonly histories: number;
  readonly rows: number;
  readonly differences: readonly {
    readonly history: string;
    readonly version: number;
    readonly field: string;
  }[];
  /** Tables, indexes and triggers that are missing (`-`) or differ from what this program created (`+`). */
  readonly schema: readonly string[];
  /** Differences of the views: missing lines with `-`, extra lines with `+`. */
  readonly views: readonly string[];
}

const SHOWN = 20;

/** Exit code 0 when everything matches, 1 when not. */
export async function verifyCommand(io: Io, stateDir: string, options: VerifyOptions): Promise<number> {
  const started = io.now();
  const verified = await verifyDatabase(stateDir);
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
    io.out(`${paint(io, 'green', 'sound')}: hash chains and views match; ${read}\n`);
    return EXIT.ok;
  }
  if (schema.length > 0) printSchema(io, schema);
  if (differences.length > 0) {
    io.out(
      `${paint(io, 'red', 'damaged')}: ${differences.length} ${differences.length === 1 ? 'history' : 'histories'} of the log; sound: ${read}\n`,
    );
    for (const { history, version, field } of differences.slice(0, SHOWN)) {
      io.out(plainText(`  ${history}${version === 0 ? '' : `, row ${version}`}: ${field}`));
      io.out('\n');
    }
    io.out('Compare one: sos-ci replay ID. Restore a backup, and keep this file for the analysis.\n');
    return EXIT.negative;
  }
  if (views.length === 0) return EXIT.negative;
  io.out(`${paint(io, 'yellow', 'views differ')} from the log, which is sound; ${read}\n`);
  for (const line of views.slice(0, SHOWN)) io.out(`  ${cut(plainText(line), io.width - 2)}\n`);
  io.out('Rebuild them: stop the daemon, then sos-ci rebuild\n');
  return EXIT.negative;
}

function printSchema(io: Io, schema: readonly string[]): void {
  io.out(`${paint(io, 'red', 'the schema was changed')}: its triggers protect the rows of the log\n`);
  for (const line of schema.slice(0, SHOWN)) io.out(`  ${cut(plainText(line), io.width - 2)}\n`);
  io.out(
    'Find out who changed it, and restore a backup. - is missing, + differs from what sos-ci created.\n',
  );
}
