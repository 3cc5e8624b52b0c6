/** The reason of a failure as one bounded line without line breaks, for developers on Gerrit. */

import { assertNever, type Failure } from '../model/domain.ts';
import { stageProblem } from '../model/judge-testing.ts';
import type { JobMachineEvent } from './machine-setup.ts';

const REASON_LIMIT = 300;

export function reasonOf(event: JobMachineEvent): string {
  return oneLine(describe(event));
}

/** The last line of the stage's output; null for every other event. */
export function lastLineOf(event: JobMachineEvent): string | null {
  if (event.type !== 'stage.exited' || event.lastLine === undefined) return null;
  return oneLine(event.lastLine) || null;
}

/** One line of at most 300 characters, without control, invisible or bidirectional characters. */
export function oneLine(text: string): string {
  // Cuts to a generous length first, so that a huge text costs nothing.
  const flat = text
    .slice(0, REASON_LIMIT * 10)
    .replace(/[\p{Cf}\p{Co}\p{Cs}]/gu, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  const characters = Array.from(flat);
  if (characters.length <= REASON_LIMIT && text.length <= REASON_LIMIT * 10) return flat;
  return `${characters.slice(0, REASON_LIMIT - 3).join('')}...`;
}

function describe(event: JobMachineEvent): string {
  switch (event.type) {
    case 'server.create-failed':
    case 'patchset.fetch-failed':
    case 'stage.start-failed':
    case 'stage.stop-failed':
    case 'evidence.collect-failed':
    case 'evidence.publish-failed':
    case 'server.delete-failed':
    case 'evidence.discard-failed':
    case 'leak.remove-failed':
      return failureText(event.failure);
    case 'stage.exited':
      return stageProblem(event.stage, event.end) ?? '';
    case 'stage.lost':
      return `${event.stage} was lost: ${event.why}`;
    case 'results.read-failed':
      return event.why;
    case 'timer.fired':
      return deadlineText(event.timer);
    case 'job.cancelled':
      return event.reason;
    case 'job.superseded':
      return `superseded by ${event.by}`;
    case 'machine.failed':
    case 'machine.quarantine-failed':
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
    case 'evidence.discarded':
    case 'leak.found':
    case 'leak.removed':
    case 'job.ready':
    case 'job.promoted':
    case 'verdict.accepted':
    case 'job.hold-requested':
    case 'server.handed-over':
    case 'server.offer-refused':
      return '';
    case 'job.rejected':
      return event.reason;
    case 'evidence.abandoned':
      return event.why;
    // Ends a cleanup only when the cleanup was given up.
    case 'server.deleted':
      return 'a requested resource has not responded, and may still appear';
    default:
      return assertNever(event);
  }
}

function failureText(failure: Failure): string {
  return `${failure.operation}: ${failure.message}`;
}

/** Text for a timer named `deadline:STATE:N`. */
export function deadlineText(timer: string): string {
  const [, state = timer] = timer.split(':');
  switch (state) {
    case 'queued':
      return 'no slot became free in time';
    case 'stacking-stop':
    case 'testing-stop':
      return `${state.split('-')[0]} exceeded its timeout and could not be stopped`;
    case 'deleting':
      return 'removing the server took longer than allowed';
    default:
      return `${state} took longer than allowed`;
  }
}
