/**
 * Runs on this host by the run-directory protocol: the commands of local servers, playbooks and janitors. A command
 * continues when the daemon dies, and the next daemon attaches to it. This class has no state that a restart could
 * lose.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunHandle } from '../../engine/ports/adapters.ts';
import { OperationError, throwIfAborted } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import { after } from '../../timer.ts';
import { errorCode, fileError } from '../run/fs-error.ts';
import type { HostRun, HostRuns } from '../run/host-runs.ts';
import { readPid } from '../run/run-directory.ts';
import type { RunBounds } from '../run/runner-protocol.ts';
import { runMarker } from '../run/stage-environment.ts';
import { groupsOf } from './cgroup.ts';
import { launch } from './launch.ts';
import {
  endProcesses,
  type Membership,
  type Process,
  processStartTicks,
  processWithArgument,
  signalProcess,
} from './processes.ts';
import { RunWatch } from './run-watch.ts';

/** The interval between checks that the guard is alive. */
const GUARD_POLL_MS = 200;
/** The interval of the slow poll of a run. */
const SLOW_POLL_MS = 10_000;

export interface LocalRunsOptions extends RunBounds {
  /** How long a stop may take after everything was killed. */
  readonly killTimeoutMs: number;
  /** The interval of the slow poll of a run. */
  readonly slowPollMs?: number;
}

export class LocalRuns implements HostRuns {
  readonly #options: Required<LocalRunsOptions>;

  constructor({
    graceMs,
    startTimeoutMs,
    endingTimeoutMs,
    killTimeoutMs,
    slowPollMs = SLOW_POLL_MS,
  }: LocalRunsOptions) {
    this.#options = { graceMs, startTimeoutMs, endingTimeoutMs, killTimeoutMs, slowPollMs };
  }

  async start(run: HostRun, signal: AbortSignal): Promise<RunHandle> {
    const { pid, startedHere } = await launch({ ...run, ...this.#options }, signal);
    const watch = new RunWatch(run.directory, this.#options.slowPollMs);
    return { pid, adopted: !startedHere, ended: watch.ended, detach: () => watch.detach() };
  }

  async stop(directory: string, server: Server, signal: AbortSignal): Promise<void> {
    try {
      throwIfAborted(signal, 'stop stage', directory);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // The mark comes first, so that a concurrent start either sees it or is found below.
      const unmarked = await writeStopMark(directory);
      if ((await readPid(directory, 'pid')) !== null) await this.#end(directory, server, signal);
      else if (unmarked !== null) throw unmarked;
    } catch (error) {
      throw fileError('stop stage', directory, error);
    }
  }

  /** Ends the run through the runner's guard, and then kills whatever the guard left. */
  async #end(directory: string, server: Server, signal: AbortSignal): Promise<void> {
    const { graceMs, killTimeoutMs, slowPollMs } = this.#options;
    const watch = new RunWatch(directory, slowPollMs);
    try {
      const guard = await this.#find(directory, 'guard');
      if (guard !== null) await endByGuard(watch, guard, graceMs + killTimeoutMs, signal);
      await this.#endMembers(directory, server, signal);
      if (await within(watch, killTimeoutMs, signal)) return;
      throwIfAborted(signal, 'stop stage', directory);
      // The runner has lost its command and writes no ending: it is stopped or stuck. Killing it makes the run count as
      // lost.
      const runner = await this.#find(directory, 'pid');
      if (runner !== null) signalProcess(runner, 'SIGKILL');
      if (await within(watch, killTimeoutMs, signal)) return;
      throwIfAborted(signal, 'stop stage', directory);
      throw stillRunning(directory, 'its lock is still held');
    } finally {
      watch.detach();
    }
  }

  async #endMembers(directory: string, server: Server, signal: AbortSignal): Promise<void> {
    const { graceMs, killTimeoutMs } = this.#options;
    const runner = await readPid(directory, 'pid');
    const members: Membership = {
      marker: runMarker(directory),
      locks: [join(directory, 'lock')],
      groups: await groupsOf(server, [directory]),
      except: runner === null ? [] : [runner],
    };
    const left = await endProcesses(members, { graceMs, limitMs: graceMs + killTimeoutMs, signal });
    throwIfAborted(signal, 'stop stage', directory);
    if (left.length === 0) return;
    throw stillRunning(directory, `processes are still running: ${left.map(({ pid }) => pid).join(', ')}`);
  }

  async #find(directory: string, file: 'pid' | 'guard') {
    const pid = await readPid(directory, file);
    return pid === null ? null : processWithArgument(pid, directory);
  }
}

/**
 * Writes the file `stop`, which prevents the run from starting. Returns the error on failure, because a full disk must
 * not prevent the end of a run.
 */
async function writeStopMark(directory: string): Promise<Error | null> {
  try {
    await writeFile(join(directory, 'stop'), '');
    return null;
  } catch (error) {
    if (errorCode(error) === null) throw error;
    return error as Error;
  }
}

/** Returns when the run has ended, and also when the guard is gone, because a killed guard cannot end the run. */
async function endByGuard(
  watch: RunWatch,
  guard: Process,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const limit = performance.now() + limitMs;
  signalProcess(guard, 'SIGTERM');
  while (processStartTicks(guard.pid) === guard.startTicks && performance.now() < limit && !signal.aborted) {
    if (await within(watch, GUARD_POLL_MS, signal)) return;
  }
}

/** True: the run has ended or was lost within this time. False immediately when the signal aborts. */
function within(watch: RunWatch, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (ended: boolean) => {
      cancel();
      signal.removeEventListener('abort', abort);
      resolve(ended);
    };
    const abort = () => finish(false);
    const cancel = after(ms, abort);
    signal.addEventListener('abort', abort, { once: true });
    void watch.ended.then(() => finish(true));
    if (signal.aborted) abort();
  });
}

function stillRunning(directory: string, message: string): OperationError {
  return new OperationError({
    operation: 'stop stage',
    target: directory,
    message,
    retryable: true,
    hint: 'look for processes in uninterruptible sleep (state D) on this host',
  });
}
