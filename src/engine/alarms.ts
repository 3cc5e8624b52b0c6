/** Alarms go where an operator looks: the daemon's log at once, and the database for `sos-ci status`. */
import type { Log } from '../log.ts';
import type { Alarm } from '../machines/alarm.ts';
import type { Alarms, Clock } from './ports.ts';
import type { Store } from './store.ts';

/** @param quietMs without the same alarm until its next one counts as new; `raised` is told of each */
export function storeAlarms(
  store: Store,
  clock: Clock,
  log: Log,
  quietMs: number,
  raised: () => void,
): Alarms {
  return {
    async raise(alarm: Alarm): Promise<void> {
      log.error({ alarm: alarm.kind, target: alarm.target, hint: alarm.hint }, alarm.message);
      store.alarm(alarm, clock.now(), quietMs);
      raised();
    },
  };
}
