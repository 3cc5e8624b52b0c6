/** The connection to Gerrit in plain words: how it is, and one line for each fact of the history `stream`. */
import { assertNever } from '../../machines/model/domain.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import type { CommonEvent, StreamEvent } from '../../machines/protocol/events.ts';
import type { Stored } from '../../machines/protocol/row.ts';
import { describeState } from '../../machines/protocol/version.ts';
import type { StreamContext } from '../../machines/system/stream-setup.ts';
import { versionOf } from '../../machines/versions.ts';
import { iso, utc } from './time.ts';

export function streamEventText(event: Exclude<StreamEvent, CommonEvent>): string {
  switch (event.type) {
    case 'stream.started':
      return event.since === null
        ? `listening to ${event.server} begins`
        : `listening to ${event.server} begins, for all since ${utc(event.since)}`;
    case 'stream.connected':
      return event.why;
    case 'stream.disconnected':
      return `not connected: ${event.why}`;
    case 'stream.rejected':
      return `refused: ${event.why}${event.hint === '' ? '' : `; next: ${event.hint}`}`;
    case 'stream.gap-suspected':
      return event.changes === null
        ? `something may have been missed: ${event.why}`
        : `something may have been missed on ${event.changes.join(', ')}: ${event.why}`;
    case 'stream.stopped':
      return 'listening ends';
    case 'catchup.completed':
      return gapText(event);
    case 'catchup.failed':
      return `what was missed could not be looked up: ${event.failure.message}`;
    default:
      return assertNever(event);
  }
}

function gapText(event: Extract<StreamEvent, { type: 'catchup.completed' }>): string {
  const { since, changes, found, unsure, unread } = event;
  const lookedAt = `looked at ${changes} ${changes === 1 ? 'change' : 'changes'} since ${utc(since)}`;
  const again = unsure.length === 0 ? '' : `; once more at ${unsure.join(', ')}`;
  const unreadText = unread === 0 ? '' : `; ${unread} could not be read`;
  return `${lookedAt}: ${found === 0 ? 'nothing was missed' : `${found} missed`}${unreadText}${again}`;
}

/** How the connection is, since when and why; the last look for what was missed; a line each. */
export function streamLines(stored: Stored | null, now: number): readonly string[] {
  if (stored === null) return [];
  const { server, upSince, downSince, why, hint, caughtUp } = contextOf(stored);
  const since = upSince ?? downSince;
  const stateText = describeState(versionOf(stored).machine, stored.state);
  const time = since === null ? '' : ` since ${utc(since)} (${formatDuration(now - since)})`;
  const lines = [`${stateText}${time}, ${server}${why === '' ? '' : `: ${why}`}`];
  if (hint !== '') lines.push(`-> ${hint}`);
  if (caughtUp !== null) {
    const missed = caughtUp.found === 0 ? 'nothing was missed' : `${caughtUp.found} were missed`;
    lines.push(`last looked back ${utc(caughtUp.at)}: ${missed}`);
  }
  return lines;
}

export function streamJson(stored: Stored | null) {
  if (stored === null) return null;
  const { server, upSince, downSince, why, hint, outages, failures, caughtUp } = contextOf(stored);
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

function contextOf({ context }: Stored): StreamContext {
  return context as unknown as StreamContext;
}
