/** Describes holds, and the events of their histories. */
import type { HoldEvent, HoldTarget } from '../../machines/hold/hold-events.ts';
import { assertNever } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { AnyEvent, JobEvent } from '../../machines/protocol/events.ts';
import type { HoldStatus } from '../../machines/protocol/version.ts';
import { failureText, reasonSuffix, timeLeft } from './event.ts';
import { utc } from './time.ts';

const TYPES = [
  'hold.requested',
  'hold.declined',
  'hold.released',
  'job.hold-requested',
  'server.offered',
  'server.handed-over',
  'server.offer-refused',
  'server.opened',
  'server.open-failed',
] as const;
type AboutHold = Extract<HoldEvent | JobEvent, { type: (typeof TYPES)[number] }>;

export function isAboutHold(event: AnyEvent): event is AboutHold {
  return (TYPES as readonly string[]).includes(event.type);
}

export function holdEventText(event: AboutHold): string {
  switch (event.type) {
    case 'hold.requested':
      return `${event.by} wants to keep the server of ${targetText(event.target)} for ${formatLimit(event.durationMs)}${reasonSuffix(event.why)}`;
    case 'hold.declined':
      return `no server from job ${event.job}${reasonSuffix(event.why)}`;
    case 'hold.released':
      return `released by ${event.by}${reasonSuffix(event.why)}`;
    case 'job.hold-requested':
      return `hold ${event.hold} wants the server ${event.always ? 'at the end' : 'if the job fails'}`;
    case 'server.offered':
      return `job ${event.job} (${event.name}, ${event.verdict}) offers its server ${event.server.name}`;
    case 'server.handed-over':
      return `the server is kept by hold ${event.hold}`;
    case 'server.offer-refused':
      return 'the hold does not want the server any more';
    case 'server.opened':
      return `people can log in: ${event.login.command}`;
    case 'server.open-failed':
      return `the server could not be opened for people${reasonSuffix(failureText(event.failure))}`;
    default:
      return assertNever(event);
  }
}

/** What a hold waits for. */
export function targetText(target: HoldTarget): string {
  if ('job' in target) return `job ${target.job}`;
  return `the next ${target.name ?? 'job'} of ${target.change} that fails`;
}

/** When the hold ends, as the time that is left. @param absolute true: as a UTC time */
export function endText({ until, phase }: HoldStatus, now: number, absolute: boolean): string {
  if (phase === 'releasing') return 'now: the server is being deleted';
  return absolute ? utc(until) : timeLeft(until, now);
}
