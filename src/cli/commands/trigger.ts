/**
 * `sos-ci trigger --explain FILE|CHANGE`: what the rules decide, and which rule decided it, for events that Gerrit has sent or for
 * a change as it is now. Changes nothing, here or in Gerrit.
 */
import { createReadStream } from 'node:fs';
import { type ExplainedLine, explainLines } from '../../app/explain-trigger.ts';
import { triggerRules } from '../../config/build-triggers.ts';
import { loadConfig } from '../../config/load.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';
import { explainChange } from './trigger-change.ts';
import { linesJson, printLines } from './trigger-file.ts';

const MIB = 1024 * 1024;
/** All lines are kept until they are printed, each in several times its size. A line of a busy Gerrit has some 2 KB. */
const LIMIT_BYTES = 64 * MIB;

export interface TriggerOptions {
  /** A file, `-` for standard input, or a change's number. */
  readonly explain?: string;
  /** Also the lines that start nothing whatever the rules are. */
  readonly all?: boolean;
  readonly json?: boolean;
  /** --state: where open reviews and starts are read. */
  readonly state?: string;
}

/** Exit code 0; 1 when neither a new patchset nor a recheck would start a job on the change. */
export async function triggerCommand(io: Io, file: string, options: TriggerOptions): Promise<number> {
  const { explain } = options;
  if (explain === undefined || explain === '') {
    const hint = 'sos-ci trigger --explain FILE, or - for standard input, or a change such as 912345';
    throw new CliError(EXIT.usage, 'name what is to be explained', hint);
  }
  const change = /^\d{1,9}$/.exec(explain);
  if (change !== null) return explainChange(io, loadConfig(file), Number(explain), options);
  const config = loadConfig(file);
  const lines: ExplainedLine[] = [];
  const { lineLimitBytes } = config.gerrit;
  await explainLines(triggerRules(config), open(explain), lineLimitBytes, (line) => lines.push(line));
  if (options.json) linesJson(io, explain, lines);
  else printLines(io, lines, options.all ?? false);
  return EXIT.ok;
}

function open(path: string): AsyncIterable<Uint8Array> {
  return bounded(path === '-' ? process.stdin : fileChunks(path), path);
}

async function* bounded(chunks: AsyncIterable<Uint8Array>, path: string): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > LIMIT_BYTES) {
      const what = path === '-' ? 'standard input' : plainText(path);
      const hint = 'explain a part of it: sos-ci events export --since 2h > events.jsonl';
      throw new CliError(EXIT.usage, `${what} is larger than ${LIMIT_BYTES / MIB} MiB`, hint);
    }
    yield chunk;
  }
}

async function* fileChunks(path: string): AsyncIterable<Uint8Array> {
  try {
    yield* createReadStream(path);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const hint = 'name a file of events, - for standard input, or the number of a change';
    throw new CliError(EXIT.usage, `${plainText(path)} can not be read: ${plainText(why)}`, hint);
  }
}
