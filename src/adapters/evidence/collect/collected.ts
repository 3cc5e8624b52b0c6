/**
 * The list of what was collected for a job: stands beside the files, is written last, and is what `publish` works
 * from. Kept as JSON; what is read back is checked, because a disk may hold anything after a crash.
 */

/** How the list is called in a job's directory of collected evidence; its files are in `files`. */
export const COLLECTED_LIST = 'collected.json';
export const COLLECTED_FILES = 'files';

/** One stage of one attempt, as its run directory told it. Times are ISO 8601, UTC. */
export interface StageEntry {
  readonly attempt: number;
  readonly stage: string;
  /** `exited 1`, `killed 9`, `timedOut`, `stopped`; null when it left no ending. */
  readonly end: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Its log among the files; null when there is none. */
  readonly log: string | null;
}

export interface CollectedFile {
  /** Below `files`; the same in the published directory. */
  readonly path: string;
  readonly bytes: number;
  /** The name that it had, where that could not be kept. */
  readonly original?: string;
  /** It was this long; only its beginning was taken. */
  readonly cutFrom?: number;
}

export interface SkippedFile {
  readonly path: string;
  readonly why: string;
}

export interface Collected {
  readonly version: 1;
  readonly job: string;
  readonly attempt: number;
  readonly collectedAt: string;
  /** What the job may collect; the most that its packed files may come to when they are unpacked. */
  readonly limitBytes: number;
  readonly stages: readonly StageEntry[];
  readonly files: readonly CollectedFile[];
  /** The first of them; `skipped` may be longer than what is listed. */
  readonly skippedFiles: readonly SkippedFile[];
  readonly skipped: number;
}

/** Null when the text is no such list. */
export function parseCollected(text: string): Collected | null {
  const value = parseObject(text);
  if (value === null || value.version !== 1 || typeof value.job !== 'string') return null;
  if (![value.attempt, value.limitBytes, value.skipped].every(Number.isFinite)) return null;
  const { files, stages, skippedFiles } = value;
  if (!Array.isArray(files) || !Array.isArray(stages) || !Array.isArray(skippedFiles)) return null;
  const sound = files.every((file: unknown) => isObject(file) && typeof file.path === 'string');
  return sound ? (value as unknown as Collected) : null;
}

/** A JSON object, or null for anything else. */
export function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
