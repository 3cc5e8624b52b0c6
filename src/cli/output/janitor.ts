/** Describes the events of cleanings. */
import type { JanitorEvent } from '../../machines/janitor/janitor-events.ts';
import { assertNever } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { CleaningCause } from '../../machines/model/janitor.ts';
import type { AnyEvent, CommonEvent } from '../../machines/protocol/events.ts';
import { endText, failureText, reasonSuffix } from './event.ts';
import { utc } from './time.ts';

type AboutJanitor = Exclude<JanitorEvent, CommonEvent>;

/** Only the history of a cleaning has these prefixes. */
export function isAboutJanitor(event: AnyEvent): event is AboutJanitor {
  return /^(cleaning|backends|janitor)\./.test(event.type);
}

export function janitorEventText(event: AboutJanitor): string {
  switch (event.type) {
    case 'cleaning.requested':
      return `janitor ${event.janitor.name} shall clean: ${causeText(event.cause)}`;
    case 'backends.granted':
      return 'got all units of its back ends';
    case 'janitor.started':
      return `the janitor ${event.adopted ? 'was found running' : 'started'}, pid ${event.pid}`;
    case 'janitor.exited':
      return `the janitor ${endText(event.end)}${reasonSuffix(event.lastLine ?? '')}`;
    case 'janitor.lost':
      return `the janitor was lost${reasonSuffix(event.why)}`;
    case 'janitor.start-failed':
      return `the janitor could not be started${reasonSuffix(failureText(event.failure))}`;
    case 'janitor.stopped':
      return 'no process of the janitor is left';
    case 'janitor.stop-failed':
      return `the janitor could not be stopped${reasonSuffix(failureText(event.failure))}`;
    default:
      return assertNever(event);
  }
}

export function causeText(cause: CleaningCause): string {
  switch (cause.by) {
    case 'operator':
      return `requested by ${cause.who}${reasonSuffix(cause.why)}`;
    case 'idle':
      return `no job has used its back ends for ${formatLimit(cause.idleMs)}`;
    case 'schedule':
      return `scheduled for ${utc(cause.dueAt)}`;
    case 'threshold':
      return `measured ${cause.measured}, more than ${cause.above}`;
    default:
      return assertNever(cause);
  }
}
