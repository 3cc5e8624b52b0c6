/**
 * Writes small files beside their target and renames them, so that no process reads an incomplete file, and syncs them,
 * so that they survive power loss. A process that is killed meanwhile leaves a temporary file behind, which is removed
 * together with the target. Libraries (write-file-atomic) do not sync the directory.
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

export interface FileAttributes {
  /** 0600 by default. */
  readonly mode?: number;
  /** Epoch seconds; now by default. */
  readonly modifiedAt?: number;
}

/** Writes the file and atomically replaces any existing one. */
export async function writeAtomically(
  file: string,
  text: string | Uint8Array,
  attributes: FileAttributes = {},
): Promise<void> {
  await withTemporary(file, async (temporary) => {
    await writeSynced(temporary, text, attributes);
    await rename(temporary, file);
  });
  await syncDirectory(dirname(file));
}

/** Temporary files that this process is using: `removeWithTemporaries` leaves them alone. */
const inUse = new Set<string>();

/**
 * Runs `work` with the path of a temporary file, which `work` renames or links to `file`. It is removed afterwards, and
 * `removeWithTemporaries` of a concurrent task does not mistake it for the remains of a killed process.
 */
export async function withTemporary(file: string, work: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryPath(file);
  inUse.add(temporary);
  try {
    await work(temporary);
  } finally {
    await rm(temporary, { force: true });
    inUse.delete(temporary);
  }
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
  text: string | Uint8Array,
  { mode = MODE, modifiedAt }: FileAttributes = {},
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
  const remains = (await namesIn(dirname(file))).filter(isTemporary).map((name) => join(dirname(file), name));
  for (const path of remains) if (!inUse.has(path)) await rm(path, { force: true });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
