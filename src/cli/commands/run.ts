/** `sos-ci run JOB CHANGE,PATCHSET`: runs one job with the same machine and log; the verdict is the exit code. */
import { runOnce } from '../../app/run-once.ts';
import type { Config } from '../../config/config.ts';
import { nearest } from '../../config/file/config-error.ts';
import { loadConfig } from '../../config/load.ts';
import { createLog } from '../../log.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { resultsText } from '../../machines/model/judge-testing.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT, VERDICT_EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { type Io, liveText, paintError } from '../output/terminal.ts';
import { verdictPaint } from './job.ts';

export interface RunFlags {
  /** False with --no-report. */
  readonly report: boolean;
}

/** Prints the stages' output to standard output; states, verdict and the logs' address to standard error. */
export async function runCommand(
  io: Io,
  file: string,
  jobName: string,
  change: string,
  flags: RunFlags,
): Promise<number> {
  const numbers = parsePatchset(change);
  const config = loadConfig(file);
  assertJob(config, jobName);
  const log = createLog({ level: 'warn', destination: 'stderr', secrets: { values: config.redact } });
  const progress = new Progress(io);
  const interrupt = () => {
    io.err(
      '\nsos-ci: interrupted; a running stage continues, and the job stays open; finish it with: sos-ci daemon --drain\n',
    );
    process.exit(EXIT.interrupted);
  };
  process.once('SIGINT', interrupt);
  const running = runOnce(config, {
    ...numbers,
    job: jobName,
    report: flags.report,
    log,
    onOutput: liveText((text) => io.out(text)),
    onState: (state) => progress.state(state),
  });
  const { job, verdict, reason, url, results } = await running.finally(() =>
    process.off('SIGINT', interrupt),
  );
  const color = verdictPaint(verdict);
  const detail = reason !== '' ? plainText(reason) : results === null ? '' : resultsText(results);
  const why = detail === '' ? '' : `: ${detail}`;
  io.err(`${color === null ? verdict : paintError(io, color, verdict)}${why}\n`);
  if (url !== null) io.err(`logs: ${plainText(url)}\n`);
  io.err(`story: sos-ci job ${plainText(job)}\n`);
  return VERDICT_EXIT[verdict];
}

/** @throws CliError */
export function parsePatchset(text: string): { readonly change: number; readonly patchset: number } {
  const match = /^(\d{1,9}),(\d{1,6})$/.exec(text);
  const [change, patchset] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && change > 0 && patchset > 0) return { change, patchset };
  throw new CliError(
    EXIT.usage,
    `${plainText(JSON.stringify(text))} is not CHANGE,PATCHSET`,
    'write change and patchset, such as 912345,3',
  );
}

/** Prints one line when the job enters a state. */
class Progress {
  private readonly io: Io;
  private readonly started: number;
  private last = '';

  constructor(io: Io) {
    this.io = io;
    this.started = io.now();
  }

  state(state: string): void {
    const top = topState(state);
    if (top === this.last) return;
    this.last = top;
    this.io.err(`${paintError(this.io, 'dim', `+${formatDuration(this.io.now() - this.started)}`)} ${top}\n`);
  }
}

function assertJob(config: Config, name: string): void {
  const names = config.jobs.map((job) => job.spec.name);
  if (names.includes(name)) return;
  const suggestion = nearest(name, names);
  const hint =
    suggestion === null ? `jobs in ${config.file}: ${names.join(', ')}` : `did you mean ${suggestion}?`;
  throw new CliError(EXIT.usage, `there is no job ${plainText(JSON.stringify(name))}`, hint);
}
