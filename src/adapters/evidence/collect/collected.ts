/**
 * The list of files collected for a job. It is stored beside the files, is written last, and is the input of `publish`.
 * It is JSON and is validated when read, because a disk may hold anything after a crash.
 */

/** The name of the list in a job's directory of collected evidence; the collected files are in `files`. */
export const COLLECTED_LIST = 'collected.json';
export const COLLECTED_FILES = 'files';

/** One stage of one attempt, as recorded in its run directory. Times are ISO 8601, UTC. */
export interface StageEntry {
  readonly attempt: number;
  readonly stage: string;
  /** `exited 1`, `killed 9`, `timedOut`, `stopped`; null when the stage left no ending. */
  readonly end: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** The path of its log among the files; null when there is none. */
  readonly log: string | null;
}

export interface CollectedFile {
  /** Relative to `files`; the same in the published directory. */
  readonly path: string;
  readonly bytes: number;
  /** The original name, when it could not be kept. */
  readonly original?: string;
  /** The original length, when only the beginning was copied. */
  readonly cutFrom?: number;
  /** When the original was written, ISO 8601, UTC; for a remote node, when it was copied from there. */
  readonly modifiedAt?: string;
}

/** A failed test of a subunit stream. Not redacted. */
export interface CollectedTest {
  readonly id: string;
  /** '' when there is none; with `isCut` only its end. */
  readonly traceback: string;
  readonly isCut: boolean;
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
  /** The byte limit for the job's evidence. The limit for its unpacked archives is derived from it. */
  readonly limitBytes: number;
  readonly stages: readonly StageEntry[];
  /** The first failed tests, the first few of them with their tracebacks. */
  readonly failedTests: readonly CollectedTest[];
  readonly files: readonly CollectedFile[];
  /** The first skipped files; `skipped` counts all of them. */
  readonly skippedFiles: readonly SkippedFile[];
  readonly skipped: number;
}

/** Null when the text is not such a list. */
export function parseCollected(text: string): Collected | null {
  const value = parseObject(text);
  if (value === null || value.version !== 1 || typeof value.job !== 'string') return null;
  if (![value.attempt, value.limitBytes, value.skipped].every(Number.isFinite)) return null;
  const { files, stages, failedTests, skippedFiles } = value;
  if (![stages, failedTests, skippedFiles].every(Array.isArray) || !Array.isArray(files)) return null;
  const isValid = files.every((file: unknown) => isObject(file) && typeof file.path === 'string');
  return isValid ? (value as unknown as Collected) : null;
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
