/**
 * Read-write lock of a repository: many users that read and add objects, or one that deletes. A writer waits until all
 * readers are done and blocks new ones, so no reader sees a partial repository.
 */
import { raceAbort } from '../../errors.ts';

export class ReadWriteLock {
  #readers = 0;
  /** Resolves when the writer is done. */
  #writing: Promise<void> | null = null;
  #whenEmpty: (() => void) | null = null;
  /** Aborts when others wait for the writer. */
  #wanted: AbortController | null = null;

  get inUse(): boolean {
    return this.#readers > 0 || this.#writing !== null;
  }

  /** Acquires a read lock; the returned function releases it. Rejects with the signal's reason while waiting. */
  async read(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    while (this.#writing !== null) {
      this.#wanted?.abort();
      await raceAbort(this.#writing, signal, () => signal.reason);
    }
    // No await between the check above and this line.
    this.#readers += 1;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#readers -= 1;
      if (this.#readers === 0) this.#whenEmpty?.();
    };
  }

  /**
   * Runs `work` with exclusive access. Interruptible work watches `wanted`, which aborts when others wait for access.
   */
  async write<T>(signal: AbortSignal, work: (wanted: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    while (this.#writing !== null) {
      this.#wanted?.abort();
      await raceAbort(this.#writing, signal, () => signal.reason);
    }
    // No await between the check above and setting `#writing`.
    const wanted = new AbortController();
    this.#wanted = wanted;
    let release = (): void => {};
    this.#writing = new Promise((resolve) => {
      release = resolve;
    });
    try {
      if (this.#readers > 0) {
        const empty = new Promise<void>((resolve) => {
          this.#whenEmpty = resolve;
        });
        await raceAbort(empty, signal, () => signal.reason);
      }
      return await work(wanted.signal);
    } finally {
      this.#whenEmpty = null;
      this.#writing = null;
      this.#wanted = null;
      release();
    }
  }
}
