/** Runs on this host, for adapters that do not start processes themselves. */
import type { RunHandle } from '../../engine/ports/adapters.ts';
import type { Server } from '../../machines/model/domain.ts';

export interface HostRun {
  /** The run directory. */
  readonly directory: string;
  /** The directory in which the command starts. */
  readonly workTree: string;
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly outputLimitBytes: number;
}

export interface HostRuns {
  /** Starts the run, or finds the one that was started before in this directory; `argv` then has no effect. */
  start(run: HostRun, signal: AbortSignal): Promise<RunHandle>;
  /** Ends every process of the run. A run that has not started never starts; if it has ended, the stop succeeds. */
  stop(directory: string, server: Server, signal: AbortSignal): Promise<void>;
}
