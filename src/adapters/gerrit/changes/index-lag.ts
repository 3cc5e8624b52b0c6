/**
 * How long something may be missing before it counts as not there. Gerrit's stream is ahead of its index at times, so
 * what is not shown is asked for again for a while. Remembered from the first time that it was missed, by this process.
 */
import type { Clock } from '../../../engine/ports/adapters.ts';

/** Things that are missed at the same time; the one that was missed first is forgotten. */
const LIMIT = 1_000;

export class IndexLagTracker {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #missedAt = new Map<string, number>();

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** It is missed (again). True: for long enough by now. */
  expired(what: string): boolean {
    const now = this.#clock.monotonic();
    const since = this.#missedAt.get(what) ?? now;
    if (now - since >= this.#delayMs) {
      this.#missedAt.delete(what);
      return true;
    }
    this.#missedAt.set(what, since);
    const [oldest] = this.#missedAt.keys();
    if (this.#missedAt.size > LIMIT && oldest !== undefined) this.#missedAt.delete(oldest);
    return false;
  }

  clear(what: string): void {
    this.#missedAt.delete(what);
  }
}
