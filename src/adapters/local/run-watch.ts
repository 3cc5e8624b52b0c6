/**
 * Watches a started run and reports once how it ended. It wakes when the ending is written, and when the run's lock is
 * released: our own `flock` process waits for the lock, which it gets only after every process of the run has ended. A
 * slow poll covers file systems without change events and a `flock` process that was killed.
 */
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { RunOutcome } from '../../engine/ports/adapters.ts';
import { type Cancel, every } from '../../timer.ts';
import { readEnding } from '../run/run-directory.ts';

export class RunWatch {
  /** Resolves once, never rejects; after `detach` it stays pending forever. */
  readonly ended: Promise<RunOutcome>;
  readonly #directory: string;
  readonly #cancel: Cancel;
  #watcher: FSWatcher | null = null;
  #waiting: AbortController | null = null;
  #resolve: (outcome: RunOutcome) => void = () => {};
  #closed = false;

  constructor(directory: string, slowPollMs: number) {
    this.#directory = directory;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#watchFiles();
    this.#cancel = every(slowPollMs, () => this.#checkAll());
    this.#checkAll();
  }

  /** Stops watching and releases all resources. The run continues. */
  detach(): void {
    this.#closed = true;
    this.#cancel();
    this.#watcher?.close();
    this.#waiting?.abort();
  }

  #checkAll(): void {
    void this.#check(false);
    if (this.#waiting === null) void this.#waitForLock();
  }

  #watchFiles(): void {
    try {
      const watcher = watch(this.#directory, (_event, file) => {
        if (file === 'rc' || file === null) void this.#check(false);
      });
      watcher.on('error', () => watcher.close());
      this.#watcher = watcher;
    } catch {
      // Out of inotify watches, or the directory is gone: the lock and the slow poll remain.
    }
  }

  async #waitForLock(): Promise<void> {
    const lock = join(this.#directory, 'lock');
    if (!existsSync(lock)) return this.#check(true);
    const waiting = new AbortController();
    this.#waiting = waiting;
    // A shared lock, so that two watchers do not wait for each other; `true` exits at once, which releases it.
    const result = await execa('flock', ['--shared', lock, 'true'], {
      reject: false,
      stdio: 'ignore',
      extendEnv: false,
      env: { PATH: process.env.PATH ?? '' },
      cancelSignal: waiting.signal,
      forceKillAfterDelay: false,
    });
    this.#waiting = null;
    if (result.exitCode === 0) await this.#check(true);
  }

  /** `gone`: no process of the run is alive, so a missing ending will not appear later. */
  async #check(gone: boolean): Promise<void> {
    let outcome: RunOutcome | null;
    try {
      outcome = await readEnding(this.#directory);
    } catch {
      // The ending could not be read, so the outcome is unknown; the slow poll tries again.
      return;
    }
    if (this.#closed || (outcome === null && !gone)) return;
    this.detach();
    this.#resolve(
      outcome ?? { how: 'lost', why: 'all its processes are gone and none recorded how it ended' },
    );
  }
}
