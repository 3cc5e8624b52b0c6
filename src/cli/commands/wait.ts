/** `sos-ci wait ID`: waits until a job has ended; its verdict is the exit code. */
import type { JobView, StoreReader } from '../../engine/ports/store.ts';
import { formatDuration, formatLimit } from '../../machines/model/duration.ts';
import type { Verdict } from '../../machines/model/verdict.ts';
import { plainText } from '../../terminal-text.ts';
import { daemonRuns } from '../input/open-store.ts';
import { findJob, shortId } from '../input/resolve-id.ts';
import { CliError, EXIT, VERDICT_EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { type Io, paint, paintError, printJson } from '../output/terminal.ts';
import { jobJson, verdictPaint } from './job.ts';

export interface WaitOptions {
  /** Absent: no limit. */
  readonly timeout?: number;
  readonly json?: boolean;
}

/** Between two reads of the database: short compared with a job, long compared with a query. */
const POLL_MS = 1_000;

/**
 * Prints each state that the job enters to standard error, if that is a terminal, then the verdict. Only reads the database, so the daemon may
 * stop and start meanwhile.
 * @throws CliError after the timeout, and for a job that ends without a verdict
 */
export async function waitCommand(
  io: Io,
  reader: StoreReader,
  typed: string,
  options: WaitOptions,
  sleep: (ms: number) => Promise<void>,
): Promise<number> {
  let job = findJob(reader, typed);
  let left = options.timeout ?? Number.POSITIVE_INFINITY;
  let shown = '';
  let ran = true;
  while (!job.ended) {
    const state = topState(job.state);
    const age = paintError(io, 'dim', `+${formatDuration(io.now() - job.acceptedAt)}`);
    if (io.progress && state !== shown) io.err(`${age} ${state}\n`);
    shown = state;
    const runs = daemonRuns(reader, io);
    if (ran && !runs) io.err('no daemon is running; the job goes on when one starts: sos-ci daemon\n');
    ran = runs;
    if (left <= 0) throw timedOut(job, options.timeout ?? 0);
    const ms = Math.min(POLL_MS, left);
    await sleep(ms);
    left -= ms;
    job = findJob(reader, job.id);
  }
  if (job.verdict === null) {
    const message = `job ${plainText(shortId(job.id))} was parked without a verdict`;
    throw new CliError(EXIT.refused, message, 'see why: sos-ci alarms');
  }
  if (options.json) printJson(io, { job: jobJson(job) });
  else printVerdict(io, job, job.verdict);
  return VERDICT_EXIT[job.verdict];
}

function printVerdict(io: Io, { reason, url }: JobView, verdict: Verdict): void {
  const color = verdictPaint(verdict);
  const why = reason === '' ? '' : `: ${plainText(reason)}`;
  io.out(`${color === null ? verdict : paint(io, color, verdict)}${why}\n`);
  if (url !== null) io.out(`logs: ${plainText(url)}\n`);
}

function timedOut(job: JobView, timeoutMs: number): CliError {
  const id = plainText(shortId(job.id));
  const message = `job ${id} has not ended within ${formatLimit(timeoutMs)}; it is ${topState(job.state)}`;
  return new CliError(EXIT.timedOut, message, `see what it does: sos-ci job ${id}`);
}
