/**
 * Writes small files beside their target and renames them, so that no process reads an incomplete file, and syncs them,
 * so that they survive power loss. A process that is killed meanwhile leaves a temporary file behind, which is removed
 * together with the target. Libraries (write-file-atomic) sync neither the file nor its directory.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './fs-error.ts';

const SUFFIX = /^\.[0-9a-f]{8}$/;
const MODE = 0o600;

/** A temporary path to write to before the rename to `file`. */
export function temporaryPath(file: string): string {
  return join(dirname(file), `.${basename(file)}.${randomBytes(4).toString('hex')}`);
}

export interface FileFacts {
  /** 0600 by default. */
  readonly mode?: number;
  /** Epoch seconds; now by default. */
  readonly modifiedAt?: number;
}

/** Writes the file and atomically replaces any existing one. */
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

/** The synchronous form. `text` is called after the temporary file was created. */
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

/** Writes a new file and syncs it to disk. */
export async function writeSynced(
  file: string,
  text: string,
  { mode = MODE, modifiedAt }: FileFacts = {},
): Promise<void> {
  const handle = await open(file, 'wx', mode);
  try {
    // The umask reduces the mode of open.
    await handle.chmod(mode);
    await handle.writeFile(text);
    if (modifiedAt !== undefined) await handle.utimes(modifiedAt, modifiedAt);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Syncs the names added to or removed from a directory. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes the file and the temporary files of interrupted writes. Succeeds when the file does not exist. */
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
