/** Options that several commands share, and their value parsers. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../../config/fields/units.ts';
import { parseTime } from './past-time.ts';

export function withConfigOption(command: Command): Command {
  return command.option(
    '-c, --config <file>',
    'configuration file (default: $SOS_CI_CONFIG or ./sos-ci.yaml)',
  );
}

export function withStoreOptions(command: Command): Command {
  return withConfigOption(command)
    .option('--state <dir>', 'state directory; needs no configuration')
    .option('--json', 'print JSON (docs/cli.md)');
}

/** For a command that lists something. */
export function withLinesOption(command: Command): Command {
  const lines = new Option('--jsonl', 'print each entry of the list as one line of JSON');
  return command.addOption(lines.implies({ json: true }));
}

/** For a command that prints its list as a table. */
export function withTableOptions(command: Command): Command {
  return withLinesOption(command).option('--no-header', 'print tables without their titles');
}

export function parseTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms === 0) throw new InvalidArgumentError('Write it as 30s, 5m or 1h.');
  return ms;
}

/** Epoch ms. */
export function parsePastTime(text: string): number {
  const at = parseTime(text, Date.now());
  if (at === null)
    throw new InvalidArgumentError('Write it as 2h, 3d, 2026-11-22 or 2026-11-22T17:00Z, not in the future.');
  return at;
}

export function parsePositive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a positive whole number.');
  return Number(text);
}

/** For an option that may be repeated. */
export function collect(text: string, others: readonly string[] = []): readonly string[] {
  return [...others, text];
}

/** The process exits with this code once all work is done. */
export function exitWith(exitCode: number): void {
  process.exitCode = exitCode;
}
