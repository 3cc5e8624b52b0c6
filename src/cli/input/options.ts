/** Flags that several commands have, and how their values are read. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../../config/fields/units.ts';
import { parseMoment } from './parse-time.ts';

export function withConfig(command: Command): Command {
  return command.option(
    '-c, --config <file>',
    'configuration file (default: $SOS_CI_CONFIG or ./sos-ci.yaml)',
  );
}

export function withStore(command: Command): Command {
  return withConfig(command)
    .option('--state <dir>', 'state directory, without any configuration')
    .option('--json', 'print JSON (docs/cli.md)');
}

export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms === 0) throw new InvalidArgumentError('Write it as 30s, 5m or 1h.');
  return ms;
}

/** Epoch ms, as people type it. */
export function moment(text: string): number {
  const at = parseMoment(text, Date.now());
  if (at === null)
    throw new InvalidArgumentError('Write it as 2h, 3d, 2026-11-22 or 2026-11-22T17:00Z, not in the future.');
  return at;
}

export function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.');
  return Number(text);
}

/** The process ends with this code as soon as nothing is left to do. */
export function end(exitCode: number): void {
  process.exitCode = exitCode;
}
