/**
 * A clock that only a test advances. `advance` moves both clocks and fires due timers in order, one at a time, so
 * that the work of one timer is done before the next one fires. `jump` moves only the wall clock, like an operator or
 * NTP, and fires nothing.
 */
import type { Clock } from '../../src/engine/ports/adapters.ts';

interface Timer {
  readonly dueAt: number;
  /** Timers that come due together fire in the order in which they were set. */
  readonly order: number;
  readonly due: () => void;
}

export class FakeClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  /** @param wall the initial wall clock; default 2026-01-02T03:04:05Z */
  constructor(wall: number = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(delayMs: number, due: () => void): () => void {
    const timer = { dueAt: this.#monotonic + Math.max(0, delayMs), order: this.#order++, due };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Number of pending timers. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Monotonic ms until the next timer; null when none is set. */
  get nextIn(): number | null {
    const next = this.#next(Number.POSITIVE_INFINITY);
    return next === null ? null : next.dueAt - this.#monotonic;
  }

  /** Advances by `ms` and fires all timers due by then, including new ones. `advance(0)` fires those due now. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (let timer = this.#next(end); timer !== null; timer = this.#next(end)) {
      this.#move(timer.dueAt);
      this.#timers.delete(timer);
      timer.due();
      await settle();
    }
    this.#move(end);
  }

  /** Moves only the wall clock, forwards or (negative) backwards. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  #move(to: number): void {
    this.#wall += to - this.#monotonic;
    this.#monotonic = to;
  }

  #next(end: number): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueAt > end) continue;
      if (next === null || timer.dueAt < next.dueAt) next = timer;
      else if (timer.dueAt === next.dueAt && timer.order < next.order) next = timer;
    }
    return next;
  }
}

/** Turns of the event loop between two timers, enough for promises, immediates and a store's group commit. */
const SETTLE_TURNS = 12;

/** Runs all work that depends only on this process. Does not wait for the disk or for sockets. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
