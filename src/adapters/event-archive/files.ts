/**
 * The files of the event archive: Gerrit's events as received, one per line. File names hold their start time and sort
 * chronologically. Other files in the directory are ignored.
 */
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const NAME = /^events-\d{8}T\d{6}\.\d{3}Z\.jsonl$/;

export function segmentName(at: number): string {
  return `events-${new Date(at).toISOString().replaceAll(/[-:]/g, '')}.jsonl`;
}

/** All archive files, oldest first; none when the directory does not exist. */
export async function segmentFiles(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw thrown;
  });
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => join(dir, name));
}

export interface KeepLimits {
  /** Files whose last write is longer ago are removed. */
  readonly maxAgeMs: number;
  /** Total size of all files. */
  readonly maxBytes: number;
}

/** Removes files that are too old, then the oldest ones over the size limit. */
export async function removeOld(dir: string, limits: KeepLimits, now: number): Promise<void> {
  let bytes = 0;
  for (const file of [...(await segmentFiles(dir))].reverse()) {
    const { size, mtimeMs } = await lstat(file);
    bytes += size;
    if (now - mtimeMs > limits.maxAgeMs || bytes > limits.maxBytes) await rm(file, { force: true });
  }
}
