/** The path of runner.sh, its arguments, and its exit codes. The same file runs on this host and on nodes. */
import { fileURLToPath } from 'node:url';

/** It is in this file's directory, in the sources and in dist. */
export const RUNNER = fileURLToPath(new URL('./runner.sh', import.meta.url));

/** The runner's exit code for a missing or unusable flock. */
export const NO_FLOCK = 69;

/** The runner's exit code when the run directory's disk has no space for the run's files, including the ending. */
export const DISK_FULL = 73;

/** The minimum log limit: a smaller log has no space for the runner's own notes. */
const MIN_LOG_BYTES = 512;

/** Time limits of a run that do not depend on its stage. */
export interface RunBounds {
  /** The time between SIGTERM and SIGKILL, both on timeout and on stop. */
  readonly graceMs: number;
  /** How long the runner may take to start. */
  readonly startTimeoutMs: number;
  /** How long the runner tries to write the ending. */
  readonly endingTimeoutMs: number;
}

export interface RunnerOptions extends Omit<RunBounds, 'startTimeoutMs'> {
  readonly directory: string;
  readonly workTree: string;
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  readonly outputLimitBytes: number;
}

/** The runner's command-line arguments. */
export function runnerArguments(options: RunnerOptions): readonly string[] {
  const seconds = (ms: number) => String(Math.ceil(ms / 1000));
  return [
    options.directory,
    options.workTree,
    (Math.max(options.timeoutMs, 1) / 1000).toFixed(3),
    seconds(options.graceMs),
    String(Math.max(options.outputLimitBytes, MIN_LOG_BYTES)),
    seconds(options.endingTimeoutMs),
    ...options.argv,
  ];
}
