/**
 * Timers of any length, on the monotonic clock. Node's setTimeout takes at most 2^31 - 1 ms (24.8 days) and fires after
 * 1 ms for anything longer, so longer waits are split. A house test keeps raw timers out of every other file.
 */

/** The longest delay that a Node timer supports. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Cancels a timer; harmless after it has fired. */
export type Cancel = () => void;

export interface TimerOptions {
  /** True: the timer does not keep the process running. */
  readonly unref?: boolean;
}

/** Calls `due` once after `delayMs`, never early. */
export function after(delayMs: number, due: () => void, { unref = false }: TimerOptions = {}): Cancel {
  const end = performance.now() + delayMs;
  let timeout: NodeJS.Timeout;
  const wait = (): void => {
    timeout = setTimeout(wake, timerDelay(Math.ceil(end - performance.now())));
    if (unref) timeout.unref();
  };
  // A Node timer may fire a fraction of a millisecond early.
  const wake = (): void => (performance.now() < end ? wait() : due());
  wait();
  return () => clearTimeout(timeout);
}

/** Calls `due` every `intervalMs`, until it is cancelled. */
export function every(intervalMs: number, due: () => void): Cancel {
  let cancel: Cancel = () => {};
  const arm = (): void => {
    cancel = after(intervalMs, () => {
      arm();
      due();
    });
  };
  arm();
  return () => cancel();
}

/** A source of timers: this file, or a test's clock. */
export interface Timers {
  after(delayMs: number, due: () => void): Cancel;
}

/** Resolves after `delayMs`, or as soon as `signal` aborts; the caller checks the signal. */
export function sleep(delayMs: number, signal?: AbortSignal, timers: Timers = { after }): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted || delayMs <= 0) return resolve();
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timers.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Clamps a timeout for libraries that pass it to a Node timer themselves. */
export function timerDelay(delayMs: number): number {
  return Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS);
}
