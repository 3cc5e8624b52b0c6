/**
 * At most so many at a time; the others wait in line, in the order in which they came, and leave it when they are told
 * to stop. Some sites allow few connections for each account.
 */

export class Turns {
  readonly #limit: number;
  readonly #line: (() => void)[] = [];
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when it is the caller's turn, with the function that ends it. Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#taken < this.#limit) this.#taken++;
    else await this.#wait(signal);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const next = this.#line.shift();
      if (next === undefined) this.#taken--;
      else next();
    };
  }

  /** How many wait. */
  get waiting(): number {
    return this.#line.length;
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(turn), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#line.push(turn);
    });
  }
}
