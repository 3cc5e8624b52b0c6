/**
 * Runs a full garbage collection when the daemon is idle: V8 does not return heap to the OS on its own, and a small lab host
 * needs the memory for its jobs.
 */
import type { Clock } from '../engine/ports/adapters.ts';

/** Collects once in each idle period. A collection pauses the process for less than 100 ms. */
export class IdleGc {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #collect: () => void;
  #cancel = () => {};

  /** @param idleMs how long without a new row until the daemon counts as idle */
  constructor(clock: Clock, idleMs: number, collect: () => void = () => void collectGarbage()) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#collect = collect;
  }

  /** Call it for each new row: restarts the idle period. */
  reset(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(this.#idleMs, this.#collect);
  }

  stop(): void {
    this.#cancel();
  }
}

/**
 * Runs a full collection and returns the memory to the OS. Does nothing in a Node without the inspector.
 * https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/#method-collectGarbage
 */
export async function collectGarbage(): Promise<void> {
  if (!process.features.inspector) return;
  const { Session } = await import('node:inspector');
  const session = new Session();
  session.connect();
  await new Promise<void>((resolve) => session.post('HeapProfiler.collectGarbage', () => resolve()));
  session.disconnect();
}
