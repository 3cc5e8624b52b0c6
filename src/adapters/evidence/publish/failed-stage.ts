/** The stage that a job's page explains: how it ended, how long it took, and the last lines of its published log. */
import type { StageEntry } from '../collect/collected.ts';
import type { Directory } from '../files/dir-handle.ts';

/** How much of the end of the log is read, how many lines are shown, and the maximum length of each line. */
const TAIL_BYTES = 16 * 1024;
const LINES_SHOWN = 25;
const LINE_LIMIT = 500;

export interface FailedStage extends StageEntry {
  readonly lastLines: readonly string[];
}

/** The latest stage that did not exit with 0; when all did (the test results failed the job), the latest stage. */
export async function failedStage(
  target: Directory,
  stages: readonly StageEntry[],
): Promise<FailedStage | null> {
  const entry = stages.findLast(({ end }) => end !== 'exited 0') ?? stages.at(-1);
  if (entry === undefined) return null;
  return { ...entry, lastLines: entry.log === null ? [] : await lastLines(target, entry.log) };
}

/** Reads the published copy, which contains no secret. */
async function lastLines(target: Directory, log: string): Promise<readonly string[]> {
  const file = await target.openFile(log);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
    const lines = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/);
    // The first line may be incomplete.
    if (from > 0) lines.shift();
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-LINES_SHOWN).map((line) => line.slice(0, LINE_LIMIT));
  } finally {
    await file.close();
  }
}
