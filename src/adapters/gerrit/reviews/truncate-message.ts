/**
 * The text of a review, cut to what Gerrit takes. The line that holds the run's id is never cut off, because by it
 * our own message is known again after a crash.
 */

/** Comments are made to fit; past this nothing is sent, whatever asks for it. */
export const MESSAGE_LIMIT_BYTES = 1024 * 1024;

const NOTE = '(cut here: the message was too long)';

/** The message itself when it fits; else its first lines, a note, and the line with the run's id. */
export function truncateMessage(
  message: string,
  run: string,
  limitBytes: number = MESSAGE_LIMIT_BYTES,
): string {
  if (run === '' || !message.includes(run)) throw new Error(`the message does not hold its run's id ${run}`);
  if (Buffer.byteLength(message) <= limitBytes) return message;
  const lines = message.split('\n');
  const marked = lines.find((line) => line.includes(run)) ?? run;
  const ending = ['', NOTE, shortened(marked, run, Math.floor(limitBytes / 4))].join('\n');
  const kept = firstLines(lines, limitBytes - Buffer.byteLength(ending) - 1);
  return kept.includes(run) ? [kept, '', NOTE].join('\n') : [kept, ending].join('\n');
}

function firstLines(lines: readonly string[], limitBytes: number): string {
  let bytes = -1;
  let count = 0;
  for (const line of lines) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > limitBytes) break;
    count++;
  }
  return lines.slice(0, count).join('\n');
}

/** A line of any length that still holds the id. */
function shortened(line: string, run: string, limitBytes: number): string {
  return Buffer.byteLength(line) <= limitBytes ? line : `- run ${run}`;
}
