/**
 * The files that hold Gerrit's events as they came, a line an event: named by the time at which they were begun, so that
 * their names sort as they were written. Whatever else lies in the folder is not ours.
 */
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const NAME = /^events-\d{8}T\d{6}\.\d{3}Z\.jsonl$/;

export function segmentName(at: number): string {
  return `events-${new Date(at).toISOString().replaceAll(/[-:]/g, '')}.jsonl`;
}

/** All of them, oldest first; a folder that is not there holds none. */
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
  /** Nothing of it was written to for longer. */
  readonly maxAgeMs: number;
  /** All together. */
  readonly maxBytes: number;
}

/** Removes what is too old, and the oldest of what is too much. */
export async function removeOld(dir: string, limits: KeepLimits, now: number): Promise<void> {
  let bytes = 0;
  for (const file of [...(await segmentFiles(dir))].reverse()) {
    const { size, mtimeMs } = await lstat(file);
    bytes += size;
    if (now - mtimeMs > limits.maxAgeMs || bytes > limits.maxBytes) await rm(file, { force: true });
  }
}
