/**
 * Waiting for what happens outside of this process, with a limit and a way to be called off. The only clock of the demo.
 */
import { formatLimit } from '../machines/model/duration.ts';
import { sleep } from '../timer.ts';

/** The demo can not go on; the message says what was waited for. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

const POLL_MS = 25;

/** Asks again and again until the answer is there (not null, not false). @throws DemoFailure after `limitMs` */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal,
  poll: () => T | null | false | Promise<T | null | false>,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const value = await poll();
    if (value !== null && value !== false) return value;
    if (performance.now() - start > timeoutMs) {
      throw new DemoFailure(`${what}: not within ${formatLimit(timeoutMs)}`);
    }
    await sleep(POLL_MS, signal);
  }
}

/** The same for a promise. */
export async function waitForPromise<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal,
  promise: Promise<T>,
): Promise<T> {
  let result: { readonly value: T } | null = null;
  let failure: { readonly error: unknown } | null = null;
  promise.then(
    (value) => {
      result = { value };
    },
    (error: unknown) => {
      failure = { error };
    },
  );
  const settled = await waitFor<{ value: T } | { error: unknown }>(
    what,
    timeoutMs,
    signal,
    () => result ?? failure,
  );
  if ('error' in settled) throw settled.error;
  return settled.value;
}
