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
      timeout = setTimeout(wake, Math.min(Math.ceil(left), LONGEST_TIMEOUT_MS));
    };
    // setTimeout may come a part of a millisecond early.
    const wake = () => (performance.now() < end ? wait() : due());
    wait();
    return () => clearTimeout(timeout);
  },
};
