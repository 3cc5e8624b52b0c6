/** Describes the connection to Gerrit: its state, and the events of the history `stream`. */
import { assertNever } from '../../machines/model/domain.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import type { CommonEvent, StreamEvent } from '../../machines/protocol/events.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import { describeState } from '../../machines/protocol/version.ts';
import { versionOf } from '../../machines/versions.ts';
import { iso, utc } from './time.ts';

export function streamEventText(event: Exclude<StreamEvent, CommonEvent>): string {
  switch (event.type) {
    case 'stream.started':
      return event.since === null
        ? `connecting to ${event.server}`
        : `connecting to ${event.server}, catching up since ${utc(event.since)}`;
    case 'stream.connected':
      return event.why;
    case 'stream.disconnected':
      return `not connected: ${event.why}`;
    case 'stream.rejected':
      return `rejected: ${event.why}${event.hint === '' ? '' : `; next: ${event.hint}`}`;
    case 'stream.gap-suspected':
      return event.changes === null
        ? `events may have been missed: ${event.why}`
        : `events may have been missed on ${event.changes.join(', ')}: ${event.why}`;
    case 'stream.stopped':
      return 'stopped';
    case 'catchup.completed':
      return catchUpText(event);
    case 'catchup.failed':
      return `catching up failed: ${event.failure.message}`;
    default:
      return assertNever(event);
  }
}

function catchUpText(event: Extract<StreamEvent, { type: 'catchup.completed' }>): string {
  const { since, changes, found, ambiguous, unparsed } = event;
  const checkedText = `checked ${changes} ${changes === 1 ? 'change' : 'changes'} since ${utc(since)}`;
  const again = ambiguous.length === 0 ? '' : `; checking again: ${ambiguous.join(', ')}`;
  const unparsedText = unparsed === 0 ? '' : `; ${unparsed} could not be read`;
  return `${checkedText}: ${missedText(found)}${unparsedText}${again}`;
}

function missedText(found: number): string {
  return found === 0 ? 'nothing was missed' : `${found} ${found === 1 ? 'event' : 'events'} missed`;
}

/** The state of the connection, since when and why; and the last catch-up. One line each. */
export function streamLines(stored: HistorySnapshot | null, now: number): readonly string[] {
  const status = stored === null ? null : versionOf(stored).streamStatus(stored);
  if (stored === null || status === null) return [];
  const { server, upSince, downSince, why, hint, caughtUp } = status;
  const since = upSince ?? downSince;
  const stateText = describeState(versionOf(stored).machine, stored.state);
  const time = since === null ? '' : ` since ${utc(since)} (${formatDuration(now - since)})`;
  const lines = [`${stateText}${time}, ${server}${why === '' ? '' : `: ${why}`}`];
  if (hint !== '') lines.push(`-> ${hint}`);
  if (caughtUp !== null) {
    lines.push(`last catch-up ${utc(caughtUp.at)}: ${missedText(caughtUp.found)}`);
  }
  return lines;
}

export function streamJson(stored: HistorySnapshot | null) {
  const status = stored === null ? null : versionOf(stored).streamStatus(stored);
  if (stored === null || status === null) return null;
  const { server, upSince, downSince, why, hint, outages, failures, caughtUp } = status;
  return {
    state: stored.state,
    server,
    upSince: iso(upSince),
    downSince: iso(downSince),
    why,
    hint,
    outages,
    failures,
    caughtUp: caughtUp === null ? null : { ...caughtUp, at: iso(caughtUp.at), since: iso(caughtUp.since) },
  };
}
