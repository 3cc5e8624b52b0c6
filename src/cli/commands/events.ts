/**
 * `sos-ci events export`: prints archived Gerrit events in a form that `explain --events` reads. Replaces control
 * characters by equivalent JSON escapes.
 */

import { type ArchivedEvent, archivedEvents, type EventFilter } from '../../app/export-events.ts';
import { loadConfig } from '../../config/load.ts';
import { plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';
import { iso } from '../output/time.ts';

export interface ExportOptions {
  readonly since?: number;
  readonly until?: number;
  readonly type?: string;
  readonly change?: number;
  readonly json?: boolean;
}

/** Exit code 0, also when no event matches. */
export async function exportCommand(io: Io, file: string, options: ExportOptions): Promise<number> {
  const { catchUp, gerrit } = loadConfig(file);
  const filter: EventFilter = {
    since: options.since ?? null,
    until: options.until ?? null,
    type: options.type ?? null,
    change: options.change ?? null,
  };
  let [lines, unparsed] = [0, 0];
  if (options.json) io.out('{\n  "format": 1,\n  "events": [');
  for await (const event of archivedEvents(catchUp.segments.dir, filter, gerrit.maxEventBytes)) {
    if (options.json)
      io.out(`${lines === 0 ? '' : ','}\n    ${escapeControlCharacters(JSON.stringify(eventJson(event)))}`);
    else io.out(`${event.event === null ? plainText(event.text) : escapeControlCharacters(event.text)}\n`);
    lines += 1;
    if (event.event === null) unparsed += 1;
  }
  if (options.json) io.out(`${lines === 0 ? '' : '\n  '}]\n}\n`);
  const unparsedText = unparsed === 0 ? '' : `, ${unparsed} of them not events`;
  io.err(`${count(lines, 'line')} from ${plainText(catchUp.segments.dir)}${unparsedText}\n`);
  return EXIT.ok;
}

function eventJson({ at, type, change, event, text }: ArchivedEvent) {
  return { at: iso(at), type, change, ...(event === null ? { text } : { event }) };
}

/** In JSON, control characters occur only inside strings, where an escape is equivalent, and as white space. */
function escapeControlCharacters(json: string): string {
  return json
    .replaceAll(/[\t\r]/g, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\u115f\u1160\u3164\uffa0]/gu, (character) =>
      character.replaceAll(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
    );
}
