/**
 * Small files that are written beside their place and renamed into it, so that nobody ever reads half of one. A process
 * that is killed in between leaves the half behind: it goes with the file that it was for.
 */
import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './fs-error.ts';

const SUFFIX = /^\.[0-9a-f]{8}$/;

/** Where to write what is then renamed to `file`. */
export function besideOf(file: string): string {
  return join(dirname(file), `.${basename(file)}.${randomBytes(4).toString('hex')}`);
}

/** The file, and what was left of attempts to write it. Not there is success. */
export async function removeWithHalves(file: string): Promise<void> {
  const start = `.${basename(file)}`;
  const isHalf = (name: string): boolean => name.startsWith(start) && SUFFIX.test(name.slice(start.length));
  await rm(file, { force: true });
  for (const name of await namesIn(dirname(file)))
    if (isHalf(name)) await rm(join(dirname(file), name), { force: true });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
