/** The effects that clear the stream's alarms, with the same targets as when they were raised. */
import type { Alarm } from '../model/alarm.ts';
import { formatLimit } from '../model/duration.ts';
import type { Effect } from '../protocol/effects.ts';
import type { StreamContext } from './stream-setup.ts';

export function clearDownAlarm(
  { activeAlarm, downSince, server, alarms }: StreamContext,
  at: number,
): Effect | null {
  if (activeAlarm === null) return null;
  const message = `connected again after ${formatLimit(at - (downSince ?? at))}; what was missed is looked up`;
  return cleared(activeAlarm, server, message, alarms);
}

export function clearCatchUpAlarm({ catchUpAlarmActive, server, alarms }: StreamContext): Effect | null {
  if (!catchUpAlarmActive) return null;
  return cleared('catch-up-failing', server, 'what was missed has been looked up', alarms);
}

function cleared(kind: Alarm['kind'], target: string, message: string, alarms: number): Effect {
  const alarm = { kind, target, message, hint: '', cleared: true } as const;
  return { type: 'raiseAlarm', key: `alarm:${alarms + 1}`, alarm };
}
