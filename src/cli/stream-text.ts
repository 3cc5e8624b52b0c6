/** What happened to the connection to Gerrit, in plain words: one line for each fact of the history `stream`. */
import type { CommonEvent, StreamEvent } from '../machines/events.ts';
import { assertNever } from '../machines/vocabulary.ts';
import { utc } from './time.ts';

export function streamEventText(event: Exclude<StreamEvent, CommonEvent>): string {
  switch (event.type) {
    case 'stream.started':
      return event.since === null
        ? `listening to ${event.server} begins`
        : `listening to ${event.server} begins, for all since ${utc(event.since)}`;
    case 'stream.connected':
      return event.why;
    case 'stream.lost':
      return `not connected: ${event.why}`;
    case 'stream.refused':
      return `refused: ${event.why}${event.hint === '' ? '' : `; next: ${event.hint}`}`;
    case 'stream.gapped':
      return event.changes === null
        ? `something may have been missed: ${event.why}`
        : `something may have been missed on ${event.changes.join(', ')}: ${event.why}`;
    case 'stream.stopped':
      return 'listening ends';
    case 'gap.closed':
      return gapText(event);
    case 'gap.unclosed':
      return `what was missed could not be looked up: ${event.failure.message}`;
    default:
      return assertNever(event);
  }
}

function gapText(event: Extract<StreamEvent, { type: 'gap.closed' }>): string {
  const { since, changes, found, unsure, unread } = event;
  const looked = `looked at ${changes} ${changes === 1 ? 'change' : 'changes'} since ${utc(since)}`;
  const again = unsure.length === 0 ? '' : `; once more at ${unsure.join(', ')}`;
  const bad = unread === 0 ? '' : `; ${unread} could not be read`;
  return `${looked}: ${found === 0 ? 'nothing was missed' : `${found} missed`}${bad}${again}`;
}
