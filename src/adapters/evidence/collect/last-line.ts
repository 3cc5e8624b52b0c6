/**
 * The last line that a stage printed, for a review comment. Secrets are removed first, also those that nobody named and that
 * the end of the log shows with their key. When a secret may have been cut in half, it returns no line.
 */
import { Directory, errorCode } from '../files/dir-handle.ts';
import { secretsIn } from '../redact/found-secrets.ts';
import type { SecretSet } from '../redact/redact.ts';

/** How much of the end of the log is read. A secret may be shown with its key long before the last line. */
const TAIL_BYTES = 256 * 1024;
/** The maximum length of the line in characters. */
const LINE_LIMIT = 200;
/** Control sequences, which a terminal does not show, and the runner's own notes in the log. */
const CONTROL_SEQUENCES = /(?!\s)\p{Cc}(?:\[[0-9;?]*[ -/]*[@-~]|\][^\p{Cc}]*)?/gu;
const RUNNER_NOTE = /^\[sos-ci: (?!output )/;
/** The note that output was dropped: what is before it may end anywhere. */
const DROPPED_NOTE = /^\[sos-ci: output /;

/**
 * @param runs the run directories of one attempt
 * @returns null when nothing was printed or the log cannot be read
 */
export async function lastLine(runs: string, stage: string, secrets: SecretSet): Promise<string | null> {
  try {
    const tail = await readTail(runs, stage);
    return tail === null ? null : lastOf(secrets.with(secretsIn(tail)).text(tail));
  } catch (error) {
    if (errorCode(error) === '') throw error;
    return null;
  }
}

/** Drops an incomplete first line, because a part of a secret would not be recognized. */
async function readTail(runs: string, stage: string): Promise<string | null> {
  const attempt = await Directory.at(runs);
  const run = await attempt.using(() => attempt.enter(stage));
  return run.using(async () => {
    const log = await run.openFile('log');
    try {
      const stat = await log.stat();
      if (!stat.isFile()) return null;
      const from = Math.max(0, stat.size - TAIL_BYTES);
      const { buffer, bytesRead } = await log.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
      const text = buffer.toString('utf8', 0, bytesRead);
      const begin = from === 0 ? 0 : text.indexOf('\n') + 1;
      return from > 0 && begin === 0 ? null : text.slice(begin);
    } finally {
      await log.close();
    }
  });
}

function lastOf(text: string): string | null {
  const lines = text.replace(CONTROL_SEQUENCES, '').split(/[\r\n]+/);
  const line = lines
    .map((each) => each.trim())
    .findLast((each) => /[\p{L}\p{N}]/u.test(each) && !RUNNER_NOTE.test(each));
  if (line === undefined || DROPPED_NOTE.test(line)) return null;
  const characters = Array.from(line.slice(0, LINE_LIMIT * 2));
  return characters.length <= LINE_LIMIT ? line : `${characters.slice(0, LINE_LIMIT - 3).join('')}...`;
}
