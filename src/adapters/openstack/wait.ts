/** Waits for a state of the cloud with growing intervals, until a deadline. */
import type { Clock } from '../../engine/ports/adapters.ts';
import { OperationError, throwIfAborted } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { sleep } from '../../timer.ts';

/** A small server is active after some 5 s; a large one with its volume takes minutes. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const GROWTH = 1.5;

export interface Wait {
  readonly operation: string;
  readonly target: string;
  readonly clock: Clock;
  /** Monotonic. */
  readonly endsAt: number;
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Called when what is waited for changes. */
  readonly onWaiting?: (waiting: string) => void;
}

/** What a look finds: the result, or what it still waits for. */
export type Look<T> = { readonly done: T } | { readonly waiting: string; readonly hint: string };

/** @throws OperationError at the deadline, with what the last look found */
export async function waitFor<T>(wait: Wait, look: () => Promise<Look<T>>): Promise<T> {
  const { operation, target, clock, endsAt, limitMs, signal, onWaiting = () => {} } = wait;
  let shown = '';
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * GROWTH, LONGEST_WAIT_MS)) {
    const seen = await look();
    if ('done' in seen) return seen.done;
    if (seen.waiting !== shown) onWaiting(seen.waiting);
    shown = seen.waiting;
    const leftMs = endsAt - clock.monotonic();
    if (leftMs <= 0) {
      const message = `not done within ${formatLimit(limitMs)}: ${seen.waiting}`;
      throw new OperationError({ operation, target, message, retryable: true, hint: seen.hint });
    }
    await sleep(Math.min(waitMs, leftMs), signal, clock);
    throwIfAborted(signal, operation, target);
  }
}
