/** The host's clocks. Delays run on the monotonic one, so a wall clock that is set never fires a timer. */
import type { Clock } from '../../engine/ports.ts';

/** setTimeout takes no more than 2^31 - 1 ms; longer waits are made of pieces. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, due) {
    const end = performance.now() + delayMs;
    let timeout: NodeJS.Timeout;
    const wait = () => {
      const left = Math.max(end - performance.now(), 0);
      timeout =
        left > LONGEST_TIMEOUT_MS ? setTimeout(wait, LONGEST_TIMEOUT_MS) : setTimeout(due, Math.ceil(left));
    };
    wait();
    return () => clearTimeout(timeout);
  },
};
