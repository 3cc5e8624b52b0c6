/**
 * Reports to the operator that a limit delays starts: counted by rule, with at most one alarm an hour for each limit
 * and target.
 */
import type { Log } from '../../log.ts';
import type { Alarm } from '../../machines/model/alarm.ts';
import { type Delay, LIMIT_WINDOW_MS } from '../../machines/trigger/rules/rate-limit.ts';
import type { RuleName } from '../../machines/trigger/rules/rule-names.ts';
import type { Alarms, Clock } from '../ports/adapters.ts';
import type { Store } from '../ports/store.ts';

interface DelayOptions {
  readonly store: Pick<Store, 'count' | 'lastAlarm'>;
  readonly alarms: Alarms;
  readonly clock: Clock;
  readonly log: Log;
}

export async function reportDelay({ rule, target, why }: Delay, options: DelayOptions): Promise<void> {
  const { store, alarms, clock, log } = options;
  log.debug({ target, rule, why }, 'delayed');
  store.count(`delayed:${rule}`, 1);
  const alarm = DELAY_ALARMS[rule] ?? {
    kind: 'rate-limit',
    hint: 'check whether a person or a program requests runs repeatedly; triggers.rateLimits holds the limits',
  };
  const alarmTarget = alarm.kind === 'rate-limit' ? `${rule} ${target}` : target;
  const last = store.lastAlarm(alarm.kind, alarmTarget);
  if (last !== null && last.clearedAt === null && clock.now() - last.lastAt < LIMIT_WINDOW_MS) return;
  await alarms.raise({ ...alarm, target: alarmTarget, message: `starts are delayed: ${why}` });
}

const DELAY_ALARMS: Readonly<Partial<Record<RuleName, Pick<Alarm, 'kind' | 'hint'>>>> = {
  'queue-full': {
    kind: 'queue-full',
    hint: 'check whether servers are available; triggers.maxOpenJobs is the limit',
  },
  'waiting-full': {
    kind: 'rate-limit',
    hint: 'raise triggers.rateLimits; starts beyond the limit are queried from Gerrit again when others have started',
  },
};
