/**
 * Truncates the text of a review to a hard limit. Keeps the line with the run's id, which identifies our message after
 * a crash.
 */

/** Hard limit for any message; comments are composed to stay below it. */
export const MESSAGE_LIMIT_BYTES = 1024 * 1024;

const NOTE = '(cut here: the message was too long)';

/** The message if it fits; otherwise its first lines, a note, and the line with the run's id. */
export function truncateMessage(
  message: string,
  run: string,
  limitBytes: number = MESSAGE_LIMIT_BYTES,
): string {
  if (run === '' || !message.includes(run))
    throw new Error(`the message does not contain its run's id ${run}`);
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

/** Shortens a line of any length but keeps the id. */
function shortened(line: string, run: string, limitBytes: number): string {
  return Buffer.byteLength(line) <= limitBytes ? line : `- run ${run}`;
}
