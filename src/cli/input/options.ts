/** Options that several commands share, and their value parsers. */
import { type Command, InvalidArgumentError } from 'commander';
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
