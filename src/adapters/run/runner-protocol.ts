/** Where runner.sh lies, what it is told, and what its own exit codes mean. It is one file for this host and for nodes. */
import { fileURLToPath } from 'node:url';

/** Lies beside this file, in the sources and in dist. */
export const RUNNER = fileURLToPath(new URL('./runner.sh', import.meta.url));

/** Its exit code for a missing or unusable flock. */
export const NO_FLOCK = 69;

/** Its exit code when the run directory has no room for what must be there at the end. */
export const NO_ROOM = 73;

/** A shorter log could not hold the words about itself. */
const SHORTEST_LOG_BYTES = 512;

/** How long the steps of a run may take that are no stage's own. */
export interface RunBounds {
  /** Between SIGTERM and SIGKILL at the deadline and at a stop. */
  readonly graceMs: number;
  /** How long the runner may take to stand. */
  readonly startTimeoutMs: number;
  /** How long it tries to write the ending down. */
  readonly endingTimeoutMs: number;
}

export interface RunnerOrder extends Omit<RunBounds, 'startTimeoutMs'> {
  readonly directory: string;
  readonly workTree: string;
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  readonly outputLimitBytes: number;
}

/** What stands behind the runner on its command line. */
export function runnerArguments(order: RunnerOrder): readonly string[] {
  const seconds = (ms: number) => String(Math.ceil(ms / 1000));
  return [
    order.directory,
    order.workTree,
    (Math.max(order.timeoutMs, 1) / 1000).toFixed(3),
    seconds(order.graceMs),
    String(Math.max(order.outputLimitBytes, SHORTEST_LOG_BYTES)),
    seconds(order.endingTimeoutMs),
    ...order.argv,
  ];
}
