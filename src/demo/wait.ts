/**
 * Waiting for what happens outside of this process, with a limit and a way to be called off. The only clock of the demo.
 */
import { formatLimit } from '../machines/model/duration.ts';
import { sleep } from '../timer.ts';

/** The demo can not go on; the message says what was waited for. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

const LOOK_AGAIN_MS = 25;

/** Asks again and again until the answer is there (not null, not false). @throws DemoFailure after `limitMs` */
export async function patiently<T>(
  what: string,
  limitMs: number,
  signal: AbortSignal,
  look: () => T | null | false | Promise<T | null | false>,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const found = await look();
    if (found !== null && found !== false) return found;
    if (performance.now() - start > limitMs) {
      throw new DemoFailure(`${what}: not within ${formatLimit(limitMs)}`);
    }
    await sleep(LOOK_AGAIN_MS, signal);
  }
}

/** The same for a promise. */
export async function within<T>(
  what: string,
  limitMs: number,
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
  const settled = await patiently<{ value: T } | { error: unknown }>(
    what,
    limitMs,
    signal,
    () => result ?? failure,
  );
  if ('error' in settled) throw settled.error;
  return settled.value;
}
