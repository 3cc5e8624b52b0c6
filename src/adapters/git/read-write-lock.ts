/**
 * Who may be in a repository: many who read and add, or one who throws away. The one waits until the many have left, and
 * meanwhile no more are let in; so nobody ever finds half a repository.
 */

export class ReadWriteLock {
  #inside = 0;
  /** Resolves when the one who throws away is done. */
  #closed: Promise<void> | null = null;
  #whenEmpty: (() => void) | null = null;
  /** Aborts when somebody waits for the one who is alone. */
  #wanted: AbortController | null = null;

  get inUse(): boolean {
    return this.#inside > 0 || this.#closed !== null;
  }

  /** Lets the caller in; the returned function lets it out. Rejects with the signal's reason while it waits. */
  async read(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    while (this.#closed !== null) {
      this.#wanted?.abort();
      await unlessAborted(this.#closed, signal);
    }
    // Nobody comes between this look and what follows.
    this.#inside += 1;
    let out = false;
    return () => {
      if (out) return;
      out = true;
      this.#inside -= 1;
      if (this.#inside === 0) this.#whenEmpty?.();
    };
  }

  /** Runs `work` while nobody else is inside. What can wait looks at `wanted`: it aborts when others want to go in. */
  async write<T>(signal: AbortSignal, work: (wanted: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    while (this.#closed !== null) {
      this.#wanted?.abort();
      await unlessAborted(this.#closed, signal);
    }
    // Nobody comes between this look and what follows.
    const wanted = new AbortController();
    this.#wanted = wanted;
    let open = (): void => {};
    this.#closed = new Promise((resolve) => {
      open = resolve;
    });
    try {
      if (this.#inside > 0) {
        const empty = new Promise<void>((resolve) => {
          this.#whenEmpty = resolve;
        });
        await unlessAborted(empty, signal);
      }
      return await work(wanted.signal);
    } finally {
      this.#whenEmpty = null;
      this.#closed = null;
      this.#wanted = null;
      open();
    }
  }
}

function unlessAborted(awaited: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    awaited.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
