/** Writes alarms to the daemon's log at once, and to the database for `sos-ci status`. */
import type { Log } from '../../log.ts';
import type { Alarm } from '../../machines/model/alarm.ts';
import type { Alarms, Clock } from '../ports/adapters.ts';
import type { Store } from '../ports/store.ts';

export interface AlarmLimits {
  /** An alarm that was not raised for this long counts as new again. */
  readonly alarmRepeatAfterMs: number;
  /** Maximum number of distinct alarms that are remembered. */
  readonly maxAlarms: number;
}

/** @param onRaised called after each alarm */
export function persistentAlarms(
  store: Store,
  clock: Clock,
  log: Log,
  limits: AlarmLimits,
  onRaised: () => void,
): Alarms {
  return {
    async raise(alarm: Alarm): Promise<void> {
      const { kind, target, hint, message, cleared } = alarm;
      if (cleared === true) {
        if (store.lastAlarm(kind, target)?.clearedAt !== null) return;
        log.info({ alarm: kind, target }, `cleared: ${message}`);
      } else log.error({ alarm: kind, target, hint }, message);
      store.alarm(alarm, clock.now(), limits.alarmRepeatAfterMs, limits.maxAlarms);
      onRaised();
    },
  };
}
