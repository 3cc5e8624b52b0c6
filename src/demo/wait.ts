/** Waits for conditions outside of this process, with a timeout and a signal. */
import { formatLimit } from '../machines/model/duration.ts';
import { sleep } from '../timer.ts';

/** The demo cannot continue; the message says why. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

const POLL_MS = 25;

/** Polls until the result is neither null nor false. @throws DemoFailure after `timeoutMs` */
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
