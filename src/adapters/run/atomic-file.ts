/**
 * Small files that are written beside their target and renamed into it, so that no process reads half of one, and synced,
 * so that they survive a loss of power. A process that is killed in between leaves the temporary file behind: it goes with
 * the file that it was for. Libraries (write-file-atomic) sync neither the file nor its directory.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './fs-error.ts';

const SUFFIX = /^\.[0-9a-f]{8}$/;
const MODE = 0o600;

/** Where to write what is then renamed to `file`. */
export function temporaryPath(file: string): string {
  return join(dirname(file), `.${basename(file)}.${randomBytes(4).toString('hex')}`);
}

export interface FileFacts {
  /** 0600 when it is not given. */
  readonly mode?: number;
  /** Epoch seconds; now when it is not given. */
  readonly modifiedAt?: number;
}

/** Writes the file whole, in the place of what was there. */
export async function writeAtomically(file: string, text: string, facts: FileFacts = {}): Promise<void> {
  const temporary = temporaryPath(file);
  try {
    await writeSynced(temporary, text, facts);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(file));
}

/** The same for code that must not wait. `text` is asked for when the file is there. */
export function writeAtomicallySync(file: string, text: (temporary: string) => string): void {
  const temporary = temporaryPath(file);
  try {
    writeFileSync(temporary, '', { mode: MODE, flag: 'wx' });
    writeFileSync(temporary, text(temporary), { flush: true });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const directory = openSync(dirname(file), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** A new file, whole on the disk. */
export async function writeSynced(
  file: string,
  text: string,
  { mode = MODE, modifiedAt }: FileFacts = {},
): Promise<void> {
  const handle = await open(file, 'wx', mode);
  try {
    // The umask cuts the mode of open.
    await handle.chmod(mode);
    await handle.writeFile(text);
    if (modifiedAt !== undefined) await handle.utimes(modifiedAt, modifiedAt);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Names that were added to a directory, or taken from it, are on the disk. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file, and what was left of attempts to write it. Not there is success. */
export async function removeWithTemporaries(file: string): Promise<void> {
  const start = `.${basename(file)}`;
  const isTemporary = (name: string): boolean =>
    name.startsWith(start) && SUFFIX.test(name.slice(start.length));
  await rm(file, { force: true });
  for (const name of await namesIn(dirname(file)))
    if (isTemporary(name)) await rm(join(dirname(file), name), { force: true });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
