/** Waits for a state of the cloud with growing intervals, until a deadline. */
import type { Clock } from '../../engine/ports/adapters.ts';
import { OperationError, throwIfAborted } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { sleep } from '../../timer.ts';

/** A small server is active after some 5 s; a large one with its volume takes minutes. */
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 15_000;
const GROWTH = 1.5;

export interface Wait {
  readonly operation: string;
  readonly target: string;
  readonly clock: Clock;
  /** Monotonic. */
  readonly endsAt: number;
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Called when the reason for waiting changes. */
  readonly onWaiting?: (waiting: string) => void;
}

/** The result of one check: done, or why not yet. */
export type WaitStep<T> = { readonly done: T } | { readonly waiting: string; readonly hint: string };

/** @throws OperationError at the deadline, with the result of the last check */
export async function waitFor<T>(wait: Wait, check: () => Promise<WaitStep<T>>): Promise<T> {
  const { operation, target, clock, endsAt, signal, onWaiting = () => {} } = wait;
  let shown = '';
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * GROWTH, MAX_WAIT_MS)) {
    const step = await check();
    if ('done' in step) return step.done;
    if (step.waiting !== shown) onWaiting(step.waiting);
    shown = step.waiting;
    const leftMs = endsAt - clock.monotonic();
    if (leftMs <= 0) throw timeUp(wait, step);
    await sleep(Math.min(waitMs, leftMs), signal, clock);
    throwIfAborted(signal, operation, target);
  }
}

/** The error of a wait that has reached its deadline. */
export function timeUp(
  { operation, target, limitMs }: Wait,
  { waiting, hint }: { readonly waiting: string; readonly hint: string },
): OperationError {
  const message = `not done within ${formatLimit(limitMs)}: ${waiting}`;
  return new OperationError({ operation, target, message, retryable: true, hint });
}
