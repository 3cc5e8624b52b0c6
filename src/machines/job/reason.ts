/** Why something went wrong, in one line that a developer on Gerrit can read. Bounded, and free of line breaks. */
import { endTrouble } from '../verdict.ts';
import { assertNever, type Failure } from '../vocabulary.ts';
import type { JobMachineEvent } from './setup.ts';

const REASON_LIMIT = 300;

export function reasonOf(event: JobMachineEvent): string {
  return oneLine(describe(event));
}

/** One line of at most 300 characters, without control characters. */
export function oneLine(text: string): string {
  const flat = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return flat.length <= REASON_LIMIT ? flat : `${flat.slice(0, REASON_LIMIT - 3)}...`;
}

function describe(event: JobMachineEvent): string {
  switch (event.type) {
    case 'server.failed':
    case 'patchset.unfetched':
    case 'stage.failed':
    case 'stage.unstopped':
    case 'evidence.uncollected':
    case 'evidence.unpublished':
    case 'server.undeleted':
      return failureText(event.failure);
    case 'stage.exited':
      return endTrouble(event.stage, event.end) ?? '';
    case 'stage.lost':
      return `${event.stage} was lost: ${event.why}`;
    case 'results.unreadable':
      return event.why;
    case 'timer.fired':
      return timerText(event.timer);
    case 'job.cancelled':
      return event.reason;
    case 'job.superseded':
      return `superseded by ${event.by}`;
    case 'machine.failed':
      return `internal error at ${event.event}: ${event.message}`;
    case 'daemon.crashed':
      return `the daemon crashed twice, last during ${event.during}: ${event.message}`;
    case 'alarm.raised':
    case 'job.accepted':
    case 'slot.granted':
    case 'server.active':
    case 'patchset.fetched':
    case 'stage.started':
    case 'stage.stopped':
    case 'results.read':
    case 'evidence.collected':
    case 'evidence.published':
    case 'verdict.taken':
    case 'server.deleted':
      return '';
    default:
      return assertNever(event);
  }
}

function failureText(failure: Failure): string {
  return `${failure.operation}: ${failure.message}`;
}

/** Timers are named `deadline:STATE:N`. */
function timerText(timer: string): string {
  const [, state = timer] = timer.split(':');
  return state === 'queued' ? 'no slot became free in time' : `${state} took longer than allowed`;
}
