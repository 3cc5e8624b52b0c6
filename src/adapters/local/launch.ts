/**
 * Starts runner.sh for one run directory, in its own session and independent of this process, and waits until it has
 * written its pid. A second start, here or in another process, ends without effect.
 */
import { type FSWatcher, watch } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { OperationError, throwIfAborted, unlessAborted } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { after, type Cancel, every } from '../../timer.ts';
import { fileError } from '../run/fs-error.ts';
import { readPid } from '../run/run-directory.ts';
import {
  DISK_FULL,
  NO_FLOCK,
  RUNNER,
  type RunBounds,
  type RunnerOptions,
  runnerArguments,
} from '../run/runner-protocol.ts';

export interface Launch extends RunnerOptions, RunBounds {
  readonly environment: Readonly<Record<string, string>>;
}

const POLL_MS = 50;
/** Meanings of the runner's exit codes, for when the disk is too full for an error text. */
const REASONS: Readonly<Record<number, string>> = { [DISK_FULL]: 'the disk is full' };
const HINTS: Readonly<Record<number, string>> = {
  [NO_FLOCK]: 'apt-get install util-linux',
  [DISK_FULL]: 'free some space on the disk of the state directory',
};

/** Returns the runner's process id, and whether this call started it. */
export async function launch(
  run: Launch,
  signal: AbortSignal,
): Promise<{ readonly pid: number; readonly startedHere: boolean }> {
  try {
    throwIfAborted(signal, 'start stage', run.directory);
    await mkdir(run.directory, { recursive: true, mode: 0o700 });
    const known = await readPid(run.directory, 'pid');
    if (known !== null) return { pid: known, startedHere: false };
    return await unlessAborted(startAndWait(run), signal, 'start stage', run.directory);
  } catch (error) {
    throw fileError('start stage', run.directory, error);
  }
}

async function startAndWait(run: Launch): Promise<{ readonly pid: number; readonly startedHere: boolean }> {
  const pidFile = new PidFileWatch(run.directory);
  try {
    const started = spawnRunner(run);
    // The runner exits with 0 when another runner has the lock; that runner is about to write its pid.
    const refused = started.exited.then(async (code) => (code === 0 ? pidFile.pid : refusal(run, code)));
    const pid = await Promise.race([pidFile.pid, refused, pidFile.timeout(run.startTimeoutMs)]);
    if (pid === null) throw startTimeout(run.startTimeoutMs, await lastOutput(run.directory));
    if (typeof pid !== 'number') throw pid;
    return { pid, startedHere: pid === started.pid };
  } finally {
    pidFile.close();
  }
}

function spawnRunner(run: Launch): { readonly pid: number | undefined; readonly exited: Promise<number> } {
  const child = execa('sh', [RUNNER, ...runnerArguments(run)], {
    detached: true,
    cleanup: false,
    reject: false,
    stdio: 'ignore',
    cwd: '/',
    env: { ...run.environment },
    extendEnv: false,
  });
  child.unref();
  return { pid: child.pid, exited: child.then((result) => result.exitCode ?? -1) };
}

async function refusal(run: Launch, code: number): Promise<OperationError> {
  const detail = (await lastOutput(run.directory)) || REASONS[code] || 'no reason given';
  return new OperationError({
    operation: 'start stage',
    target: run.directory,
    message: `the runner exited with code ${code}: ${detail}`,
    retryable: code !== NO_FLOCK,
    hint: HINTS[code] ?? 'see runner.err in the run directory',
  });
}

/** The end of the runner's own error output. */
async function lastOutput(directory: string): Promise<string> {
  const detail = await readFile(join(directory, 'runner.err'), 'utf8').catch(() => '');
  return detail.trim().slice(-500);
}

/** Waits for the file `pid`. */
class PidFileWatch {
  readonly pid: Promise<number>;
  readonly #directory: string;
  #found: (pid: number) => void = () => {};
  #watcher: FSWatcher | null = null;
  #cancelPoll: Cancel | null = null;
  #cancelLimit: Cancel = () => {};

  constructor(directory: string) {
    this.#directory = directory;
    this.pid = new Promise((resolve) => {
      this.#found = resolve;
    });
    try {
      this.#watcher = watch(directory, () => void this.#check());
      this.#watcher.on('error', () => this.#poll());
    } catch {
      this.#poll();
    }
    void this.#check();
  }

  timeout(afterMs: number): Promise<null> {
    return new Promise((resolve) => {
      this.#cancelLimit = after(afterMs, () => resolve(null));
    });
  }

  close(): void {
    this.#watcher?.close();
    this.#cancelPoll?.();
    this.#cancelLimit();
  }

  /** The fallback when this host has no inotify watches left. */
  #poll(): void {
    this.#cancelPoll ??= every(POLL_MS, () => void this.#check());
  }

  /** A read error is ignored: the next check may succeed, and the timeout bounds the wait. */
  async #check(): Promise<void> {
    const pid = await readPid(this.#directory, 'pid').catch(() => null);
    if (pid !== null) this.#found(pid);
  }
}

function startTimeout(afterMs: number, detail: string): OperationError {
  return new OperationError({
    operation: 'start stage',
    target: 'the runner',
    message: `it did not start within ${formatLimit(afterMs)}${detail === '' ? '' : `: ${detail}`}`,
    retryable: true,
    hint: 'check whether this host is overloaded',
  });
}
