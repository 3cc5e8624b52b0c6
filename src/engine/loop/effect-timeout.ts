/** Settles every effect by its deadline, including when an adapter ignores its abort signal. */
import { AbortedError, OperationError } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { OutsideEffect, Performance } from './perform.ts';

/**
 * Runs `work` until its deadline, then aborts the signal. An adapter that does not react within a grace period is
 * abandoned, so every effect is settled.
 */
export async function withTimeout(
  effect: OutsideEffect & { readonly timeoutMs: number },
  performance: Performance,
  work: (signal: AbortSignal) => Promise<AnyEvent>,
): Promise<AnyEvent> {
  const { abort } = performance;
  const late = deferred();
  const cancelAbort = performance.clock.after(effect.timeoutMs, () => abort.abort(tooLong(effect)));
  const cancelGrace = performance.clock.after(effect.timeoutMs + performance.bounds.adapterGraceMs, () =>
    late.reject(tooLong(effect)),
  );
  const working = work(abort.signal);
  performance.track(working);
  try {
    return await Promise.race([working, late.promise]);
  } catch (thrown) {
    // An error that the adapter throws because of its abort signal is reported as the abort itself.
    if (abort.signal.aborted && !(thrown instanceof OperationError)) throw abort.signal.reason;
    if (abort.signal.aborted && !performance.stopping.aborted && thrown instanceof AbortedError)
      throw tooLong(effect, thrown.last);
    throw thrown;
  } finally {
    cancelAbort();
    cancelGrace();
  }
}

function deferred(): { readonly promise: Promise<never>; readonly reject: (reason: Error) => void } {
  let reject: (reason: Error) => void = () => {};
  const promise = new Promise<never>((_, no) => {
    reject = no;
  });
  return { promise, reject };
}

/** @param last the last error before the deadline */
function tooLong(
  effect: OutsideEffect & { readonly timeoutMs: number },
  last: OperationError | null = null,
): OperationError {
  return new OperationError({
    operation: effect.type,
    target: effect.key,
    message: `no answer within ${formatLimit(effect.timeoutMs)}${last === null ? '' : `; last: ${last.message}`}`,
    retryable: true,
    hint: last?.hint ?? 'check whether the other side is reachable; the limit is in the configuration',
    unreachable: last?.unreachable ?? false,
    cause: last ?? undefined,
  });
}
