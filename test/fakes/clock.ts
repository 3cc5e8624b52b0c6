/**
 * A clock that stands still until a test moves it. `advance` moves both clocks and fires what comes due, in order
 * and one at a time, so that the work which a timer sets off is done before the next timer; `jump` moves the wall
 * clock alone, as an operator or NTP does, and fires nothing.
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

  /** @param wall where the wall clock begins: 2026-01-02T03:04:05Z unless said otherwise. */
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

  /** Timers that are set and have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Monotonic ms until the next timer; null when none is set. */
  get nextIn(): number | null {
    const next = this.#next(Number.POSITIVE_INFINITY);
    return next === null ? null : next.dueAt - this.#monotonic;
  }

  /** Lets `ms` go by. Timers that fired ones set are fired too, when they fall inside. `advance(0)` fires what is due now. */
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

  /** Moves the wall clock alone, forwards or (negative) backwards. */
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

/** Turns of the event loop that promises, immediates and a store's group commit get between two timers. */
const SETTLE_TURNS = 12;

/** Lets everything run that waits for nothing but this process. Work that waits for the disk or a socket is not waited for. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
