/** `sos-ci replay ID --machine job@2`: what another version of the machine would do with the events of a history. */
import { sha256 } from '../../app/database-admin.ts';
import type { NumberedRow } from '../../engine/ports/store.ts';
import { replayOn, type VersionDifference } from '../../machines/replay-on.ts';
import { isKnownMachine, versionsOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { cut } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';

/** Printed for people; `--json` has all of them. */
const SHOWN = 20;
const SHOWN_TEXT = 500;

/** Exit code 0: nothing would change; 1: something would. @throws CliError */
export function replayMachine(
  io: Io,
  rows: readonly NumberedRow[],
  machine: string,
  { json }: { readonly json?: boolean },
): number {
  const [first] = rows;
  if (first === undefined) throw new CliError(EXIT.usage, 'the history has no rows');
  const others = versionsOf(first.machine);
  if (!isKnownMachine(machine) || !others.includes(machine))
    throw new CliError(
      EXIT.usage,
      `${plainText(machine)} is no version of ${plainText(first.machine)}`,
      `one of: ${others.join(', ')}`,
    );
  const differences = replayOn(rows, machine, sha256);
  const exit = differences.length === 0 ? EXIT.ok : EXIT.negative;
  if (json) {
    printJson(io, {
      history: first.history,
      from: first.machine,
      to: machine,
      rows: rows.length,
      differences,
    });
    return exit;
  }
  const head = `${first.history}: ${count(rows.length, 'row')} of ${first.machine} on ${machine}`;
  if (differences.length === 0) io.out(`${plainText(head)}: ${paint(io, 'green', 'nothing would change')}\n`);
  else printDifferences(io, head, differences);
  return exit;
}

function printDifferences(io: Io, head: string, differences: readonly VersionDifference[]): void {
  io.out(`${plainText(head)}: ${paint(io, 'red', count(differences.length, 'difference'))}\n`);
  let version = 0;
  for (const difference of differences.slice(0, SHOWN)) {
    if (difference.version !== version)
      io.out(`${paint(io, 'bold', plainText(`row ${difference.version}, ${difference.type}`))}\n`);
    version = difference.version;
    io.out(`  ${plainText(difference.field)}\n`);
    io.out(`    stored    ${textOf(difference.stored)}\n    computed  ${textOf(difference.computed)}\n`);
  }
  if (differences.length > SHOWN) io.out(`${differences.length - SHOWN} more: --json prints all of them\n`);
}

function textOf(value: unknown): string {
  return cut(plainText(JSON.stringify(value)), SHOWN_TEXT);
}
