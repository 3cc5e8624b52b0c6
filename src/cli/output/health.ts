/** What a look around showed, in plain words: one line for each fact of the history `vigil`. */
import { assertNever } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { Sight } from '../../machines/model/health-snapshot.ts';
import type { CommonEvent, VigilEvent } from '../../machines/protocol/events.ts';
import type { Stored } from '../../machines/protocol/row.ts';
import type { VigilContext } from '../../machines/system/health.ts';
import { bytes, iso, utc } from './time.ts';

export function vigilEventText(event: Exclude<VigilEvent, CommonEvent>): string {
  switch (event.type) {
    case 'vigil.opened': {
      const { diskFreeBytes, walBytes, quietMs } = event.limits;
      return `an eye is kept on disks (${bytes(diskFreeBytes)} free), the write-ahead log (${bytes(walBytes)}) and our reports (every ${formatLimit(quietMs)})`;
    }
    case 'vigil.noticed':
      return `a look around: ${snapshotText(event.sight)}`;
    case 'alarms.acknowledged': {
      const { alarm, by, why } = event;
      const which = alarm === null ? 'all alarms were' : `the alarm ${alarm.kind} ${alarm.target} was`;
      return `${which} acknowledged by ${by}${why === '' ? '' : `: ${why}`}`;
    }
    default:
      return assertNever(event);
  }
}

function snapshotText({ disks, walBytes, reports, unkept }: Sight): string {
  return [
    ...disks.map(
      ({ path, freeBytes }) => `${freeBytes === null ? 'unknown room' : bytes(freeBytes)} free at ${path}`,
    ),
    ...(walBytes === null ? [] : [`write-ahead log ${bytes(walBytes)}`]),
    ...(reports === null
      ? []
      : [
          `${formatLimit(reports.listenedMs)} listened since our newest report, ${reports.others} reports of others`,
        ]),
    ...(unkept === null ? [] : [`events are not kept: ${unkept}`]),
  ].join('; ');
}

/** What is wrong, a line each; nothing before the first daemon. */
export function vigilLines(stored: Stored | null): readonly string[] {
  if (stored === null) return [];
  const { troubles } = contextOf(stored);
  if (troubles.length === 0) return ['calm'];
  return troubles.map(({ kind, target, since }) => `${kind} ${target} since ${utc(since)}`);
}

export function vigilJson(stored: Stored | null) {
  if (stored === null) return null;
  const { limits, troubles } = contextOf(stored);
  return {
    state: stored.state,
    limits,
    troubles: troubles.map((one) => ({ ...one, since: iso(one.since) })),
  };
}

function contextOf({ context }: Stored): VigilContext {
  return context as unknown as VigilContext;
}
