/** The host's clocks. Delays run on the monotonic one, so a wall clock that is set never fires a timer. */
import type { Clock } from '../../engine/ports/adapters.ts';
import { after } from '../../timer.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, due) => after(delayMs, due),
};
