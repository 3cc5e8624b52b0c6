/** `sos-ci log ID`: the output of a job's stages, whole, as it arrives, or around its first failure. */
import {
  collectedLogs,
  type Failure,
  firstFailure,
  type JobLog,
  publishedLogs,
  runLogs,
} from '../../app/job-logs.ts';
import type { JobView, StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { daemonRuns } from '../input/open-store.ts';
import { findJob, shortId } from '../input/resolve-id.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Io, liveText, paint, printJson } from '../output/terminal.ts';
import { verdictPaint } from './job.ts';

export interface LogOptions {
  readonly stage?: string;
  readonly attempt?: number;
  readonly follow?: boolean;
  readonly failed?: boolean;
  readonly json?: boolean;
}

export interface LogSources {
  readonly stateDir: string;
  /** The directory of this host to which logs are published; null: they are published elsewhere. */
  publishedRoot(): Promise<string | null>;
  sleep(ms: number): Promise<void>;
  /** Aborted: `--follow` ends. */
  readonly signal: AbortSignal;
}

/** Between two looks at the files of a running job. */
const POLL_MS = 500;
const CHUNK_BYTES = 64 * 1024;

/** @throws CliError when the job has no log on this host */
export async function logCommand(
  io: Io,
  reader: StoreReader,
  typed: string,
  options: LogOptions,
  sources: LogSources,
): Promise<number> {
  if (options.follow && (options.failed || options.json)) {
    const hint = 'while the job runs: sos-ci log ID --follow; once it has failed: sos-ci log ID --failed';
    throw new CliError(EXIT.usage, '--follow prints the log itself, without --failed or --json', hint);
  }
  const job = findJob(reader, typed);
  if (options.follow && !job.ended) return followLogs(io, reader, job, options, sources);
  const logs = await storedLogs(job, options, sources);
  try {
    if (logs.length === 0 && !options.json) throw noLog(job, options);
    if (options.failed) return await printFailure(io, reader, job, logs, options);
    if (options.json) await printList(io, job, logs);
    else await printLogs(io, logs, options, sources.signal);
    return EXIT.ok;
  } finally {
    await closeAll(logs);
  }
}

/** The logs of run directories; after they were removed, the collected or published copies. */
async function storedLogs(
  job: JobView,
  options: LogOptions,
  { stateDir, publishedRoot }: LogSources,
): Promise<readonly JobLog[]> {
  const running = await runLogs(stateDir, job);
  const collected = running.length > 0 ? running : await collectedLogs(stateDir, job);
  const root = collected.length > 0 || job.url === null ? null : await publishedRoot();
  return wanted(root === null ? collected : await publishedLogs(root, job), options);
}

async function wanted(all: readonly JobLog[], options: LogOptions): Promise<readonly JobLog[]> {
  const [matching, others] = [
    all.filter((log) => matches(log, options)),
    all.filter((log) => !matches(log, options)),
  ];
  await closeAll(others);
  return matching;
}

function matches(log: JobLog, { stage, attempt }: LogOptions): boolean {
  return (stage === undefined || log.stage === stage) && (attempt === undefined || log.attempt === attempt);
}

/**
 * Prints what the stages print until the job has ended. Reads only files and the database, so the daemon may stop and
 * start meanwhile. A file stays open, because it is removed when the job has been published.
 */
async function followLogs(
  io: Io,
  reader: StoreReader,
  job: JobView,
  options: LogOptions,
  sources: LogSources,
): Promise<number> {
  const { stateDir, sleep, signal } = sources;
  const open: JobLog[] = [];
  const tails: Tail[] = [];
  const output = new Output(io, options);
  let [current, ran] = [job, true];
  try {
    while (!signal.aborted) {
      // Read before the files: after the end of the job nothing is written to them.
      current = reader.job(job.id) ?? { ...current, ended: true };
      for (const log of await wanted(await runLogs(stateDir, current), options)) {
        if (tails.some((tail) => tail.isOf(log))) await log.file.close();
        else {
          open.push(log);
          tails.push(new Tail(output, log));
        }
      }
      for (const tail of tails) await tail.print(signal);
      if (current.ended) break;
      const runs = daemonRuns(reader, io);
      if (ran && !runs) io.err('no daemon runs; the job goes on when one starts: sos-ci daemon\n');
      ran = runs;
      await sleep(POLL_MS);
    }
  } finally {
    await closeAll(open);
  }
  // A short job may be published before its files were seen here.
  if (current.ended && tails.length === 0) await printStored(io, current, options, sources);
  if (current.ended) printEnd(io, current);
  return EXIT.ok;
}

/** On standard error: standard output has nothing but the log. */
function printEnd(io: Io, { id, verdict }: JobView): void {
  io.err(`the job has ended: ${verdict ?? 'parked'}; its history: sos-ci job ${plainText(shortId(id))}\n`);
}

async function printStored(io: Io, job: JobView, options: LogOptions, sources: LogSources): Promise<void> {
  const logs = await storedLogs(job, options, sources);
  await printLogs(io, logs, options, sources.signal).finally(() => closeAll(logs));
}

/** Prints the new bytes of one log at each call. Memory does not grow with the log or with a line. */
class Tail {
  readonly #output: Output;
  readonly #log: JobLog;
  readonly #decoder = new TextDecoder();
  readonly #print: (chunk: string) => void;
  #offset = 0;

  constructor(output: Output, log: JobLog) {
    this.#output = output;
    this.#log = log;
    this.#print = liveText((text) => output.text(log, text));
  }

  isOf({ attempt, stage }: JobLog): boolean {
    return this.#log.attempt === attempt && this.#log.stage === stage;
  }

  async print(signal: AbortSignal): Promise<void> {
    this.#output.begin(this.#log);
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    while (!signal.aborted) {
      const { bytesRead } = await this.#log.file.read(buffer, 0, CHUNK_BYTES, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      this.#print(this.#decoder.decode(buffer.subarray(0, bytesRead), { stream: true }));
      await this.#output.drained(signal);
    }
  }
}

/** Separates the logs by headings. The first one of a named stage has none, so that a single log is printed as it is. */
class Output {
  readonly #io: Io;
  #isPlain: boolean;
  #last: JobLog | null = null;
  #shown = new Set<JobLog>();
  #isLineOpen = false;

  constructor(io: Io, { stage }: LogOptions) {
    this.#io = io;
    this.#isPlain = stage !== undefined;
  }

  /** An empty log has a heading too, once. */
  begin(log: JobLog): void {
    if (!this.#shown.has(log)) this.#head(log);
  }

  text(log: JobLog, text: string): void {
    if (text === '') return;
    if (this.#last !== log) this.#head(log);
    this.#io.out(text);
    this.#isLineOpen = !text.endsWith('\n');
  }

  /** Memory does not grow while `less` waits for a key. */
  drained(signal: AbortSignal): Promise<void> {
    return this.#io.drained(signal);
  }

  #head(log: JobLog): void {
    this.#shown.add(log);
    this.#last = log;
    if (this.#isPlain) {
      this.#isPlain = false;
      return;
    }
    const heading = `==> ${plainText(log.stage)}, attempt ${log.attempt} <==`;
    this.#io.out(`${this.#isLineOpen ? '\n' : ''}${paint(this.#io, 'bold', heading)}\n`);
    this.#isLineOpen = false;
  }
}

async function printLogs(
  io: Io,
  logs: readonly JobLog[],
  options: LogOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = new Output(io, options);
  for (const log of logs) await new Tail(output, log).print(signal);
}

/** Exit code 1: nothing has failed. */
async function printFailure(
  io: Io,
  reader: StoreReader,
  job: JobView,
  logs: readonly JobLog[],
  { json }: LogOptions,
): Promise<number> {
  const failure = job.verdict === 'SUCCESS' ? null : await firstFailure(logs, failedTests(reader, job));
  if (json) printJson(io, { job: job.id, url: job.url, failure });
  else if (failure === null)
    io.out(job.verdict === null ? 'nothing has failed so far\n' : 'no stage failed\n');
  else printSurroundings(io, job, failure);
  return failure === null ? EXIT.negative : EXIT.ok;
}

function failedTests(reader: StoreReader, { id }: JobView): readonly string[] {
  const read = reader.rows(id).findLast(({ type }) => type === 'results.read');
  const results = read?.data.results as { readonly failures?: readonly string[] } | undefined;
  return results?.failures ?? [];
}

function printSurroundings(io: Io, job: JobView, failure: Failure): void {
  const { stage, attempt, end, test, line: marked, lines } = failure;
  const what = test === null ? 'the end of its log' : `${test} failed`;
  const color = verdictPaint(job.verdict ?? 'FAILURE');
  const head = `${stage}, attempt ${attempt}, ${end ?? 'no ending'}: ${what}`;
  io.out(`${paint(io, 'bold', plainText(head))}\n`);
  const width = String(lines.at(-1)?.number ?? 0).length;
  for (const { number, text } of lines) {
    const isMarked = test !== null && number === marked;
    const shown = `${isMarked ? '>' : ' '} ${String(number).padStart(width)}  ${plainText(text.replaceAll('\t', '    '))}`;
    io.out(`${isMarked && color !== null ? paint(io, color, shown) : shown.trimEnd()}\n`);
  }
  io.err(`the whole log: sos-ci log ${plainText(shortId(job.id))} --stage ${stage} --attempt ${attempt}\n`);
}

/** Documented in docs/cli.md. */
async function printList(io: Io, job: JobView, logs: readonly JobLog[]): Promise<void> {
  const sizes = await Promise.all(logs.map(({ file }) => file.stat()));
  const list = logs.map(({ attempt, stage, end, path }, index) => ({
    attempt,
    stage,
    end,
    path,
    bytes: sizes[index]?.size ?? 0,
  }));
  printJson(io, { job: job.id, url: job.url, logs: list });
}

function noLog(job: JobView, { stage, attempt }: LogOptions): CliError {
  const id = plainText(shortId(job.id));
  if (job.url !== null)
    return new CliError(
      EXIT.refused,
      `the logs of job ${id} are not on this host`,
      `they are published: ${plainText(job.url)}`,
    );
  const which = [
    stage === undefined ? '' : ` of ${plainText(stage)}`,
    attempt === undefined ? '' : ` of attempt ${attempt}`,
  ];
  const until = job.ended ? '' : ' yet';
  return new CliError(
    EXIT.refused,
    `job ${id} has no log${which.join('')}${until}`,
    `see what it did: sos-ci job ${id}`,
  );
}

async function closeAll(logs: readonly JobLog[]): Promise<void> {
  await Promise.all(logs.map(({ file }) => file.close()));
}
