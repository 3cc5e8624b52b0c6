/** Alarms go where an operator looks: the daemon's log at once, and the database for `sos-ci status`. */
import type { Log } from '../../log.ts';
import type { Alarm } from '../../machines/model/alarm.ts';
import type { Alarms, Clock } from '../ports/adapters.ts';
import type { Store } from '../ports/store.ts';

export interface AlarmLimits {
  /** Without the same alarm until its next one counts as new. */
  readonly alarmRepeatAfterMs: number;
  /** Different ones that are remembered. */
  readonly maxAlarms: number;
}

/** @param raised is told of each */
export function persistentAlarms(
  store: Store,
  clock: Clock,
  log: Log,
  limits: AlarmLimits,
  raised: () => void,
): Alarms {
  return {
    async raise(alarm: Alarm): Promise<void> {
      const { kind, target, hint, message, cleared } = alarm;
      if (cleared === true) log.info({ alarm: kind, target }, `cleared: ${message}`);
      else log.error({ alarm: kind, target, hint }, message);
      store.alarm(alarm, clock.now(), limits.alarmRepeatAfterMs, limits.maxAlarms);
      raised();
    },
  };
}
