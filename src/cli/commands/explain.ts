/**
 * `sos-ci explain CHANGE|JOB` and `sos-ci explain --events FILE`: what starts or would start, and which rule decides;
 * for a job, why it has its verdict. Changes nothing, here or in Gerrit.
 */
import { loadConfig } from '../../config/load.ts';
import { plainText } from '../../terminal-text.ts';
import { configFile, type StoreLocation, withReader } from '../input/open-store.ts';
import { tryParseChange } from '../input/parse-change.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';
import { explainChange } from './explain-change.ts';
import { explainEvents } from './explain-events.ts';
import { explainJob } from './explain-job.ts';

export interface ExplainOptions extends StoreLocation {
  /** A file, or `-` for standard input. */
  readonly events?: string;
  /** With --events: also the events that no rule can start a job for. */
  readonly all?: boolean;
  readonly json?: boolean;
}

/**
 * Exit code 0; 1 when neither a new patchset nor a recheck would start a job on the change.
 * @param what a change's number, or the first characters of a job's id
 */
export async function explainCommand(
  io: Io,
  what: string | undefined,
  options: ExplainOptions,
): Promise<number> {
  if ((what === undefined) === (options.events === undefined)) {
    const hint = 'sos-ci explain 912345, sos-ci explain JOB-ID, or sos-ci explain --events FILE';
    throw new CliError(EXIT.usage, 'name one change, one job or one file of events', hint);
  }
  const { events = '' } = options;
  if (what === undefined) return explainEvents(io, loadConfig(configFile(options)), events, options);
  const change = tryParseChange(what);
  if (change === null) return withReader(options, (reader) => explainJob(io, reader, what, options));
  if (change.patchset === null)
    return explainChange(io, loadConfig(configFile(options)), change.change, options);
  throw new CliError(
    EXIT.usage,
    `${plainText(JSON.stringify(what))} names a patchset; explain uses the current one`,
    `sos-ci explain ${change.change}`,
  );
}
