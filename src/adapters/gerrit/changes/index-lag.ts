/**
 * Decides when something missing counts as absent. Gerrit's stream can be ahead of its index, so callers retry for a
 * while. The time of the first miss is kept in memory.
 */
import type { Clock } from '../../../engine/ports/adapters.ts';

/** Maximum number of missing items tracked; the oldest is dropped. */
const LIMIT = 1_000;

export class IndexLagTracker {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #missedAt = new Map<string, number>();

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** Records a miss. Returns true once the item has been missing for long enough. */
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
