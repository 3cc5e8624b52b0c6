/**
 * A daemon at rest is small. V8 lets its heap grow while jobs follow each other, and gives nothing back while nothing
 * is asked of it: on the one small machine of a lab that memory is somebody else's.
 */
import type { Clock } from '../engine/ports/adapters.ts';

/** Collects once in each rest. That stops the process for less than a tenth of a second. */
export class IdleGc {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #collect: () => void;
  #cancel = () => {};

  /** @param idleMs without a new row until the daemon rests */
  constructor(clock: Clock, idleMs: number, collect: () => void = () => void collectGarbage()) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#collect = collect;
  }

  /** There is work: the rest begins anew. */
  reset(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(this.#idleMs, this.#collect);
  }

  stop(): void {
    this.#cancel();
  }
}

/**
 * Frees what nothing refers to, and returns it to the host. Does nothing in a Node that is built without its inspector.
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
