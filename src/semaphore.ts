/**
 * Limits concurrent work; with a limit of 1, a mutex. Waiting callers proceed in order of arrival, and leave when their
 * signal aborts. Library queues (async-mutex, p-limit) have no signal for a waiter.
 */

export class Semaphore {
  readonly #limit: number;
  readonly #queue: (() => void)[] = [];
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves with the release function when the caller may proceed. Rejects with the signal's reason. */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#taken < this.#limit) this.#taken++;
    else await this.#wait(signal);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = this.#queue.shift();
      if (next === undefined) this.#taken--;
      else next();
    };
  }

  /** Runs `work` when a permit is free. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Number of waiting callers. */
  get waiting(): number {
    return this.#queue.length;
  }

  #wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#queue.splice(this.#queue.indexOf(turn), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#queue.push(turn);
    });
  }
}
