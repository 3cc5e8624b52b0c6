/** The stage that a job's page explains: how it ended, how long it took, and the last lines of its published log. */
import type { StageEntry } from '../collect/collected.ts';
import type { Directory } from '../files/dir-handle.ts';

/** The end of the log that is read; the lines of it that are shown; characters of each. */
const TAIL_BYTES = 16 * 1024;
const LINES_SHOWN = 25;
const LINE_LIMIT = 500;

export interface FailedStage extends StageEntry {
  readonly lastLines: readonly string[];
}

/** The newest stage that did not exit with 0; when all did (their results say FAILURE), the newest one. */
export async function failedStage(
  target: Directory,
  stages: readonly StageEntry[],
): Promise<FailedStage | null> {
  const entry = stages.findLast(({ end }) => end !== 'exited 0') ?? stages.at(-1);
  if (entry === undefined) return null;
  return { ...entry, lastLines: entry.log === null ? [] : await lastLines(target, entry.log) };
}

/** Of the published copy, which holds no secret. */
async function lastLines(target: Directory, log: string): Promise<readonly string[]> {
  const file = await target.openFile(log);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
    const lines = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/);
    // The first one may be cut off.
    if (from > 0) lines.shift();
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-LINES_SHOWN).map((line) => line.slice(0, LINE_LIMIT));
  } finally {
    await file.close();
  }
}
