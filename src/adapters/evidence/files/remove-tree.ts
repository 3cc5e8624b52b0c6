/**
 * Removes a tree that strangers' code may have built, or may still be changing. Promises: follows no link and enters
 * no directory but by name from one that is held open; works at any depth, with a fixed number of open files (what is
 * deep is first moved to the top); directories without permissions and names that are not UTF-8 go too.
 */
import { constants } from 'node:fs';
import { chmod, open, rename, rmdir, unlink } from 'node:fs/promises';
import { type Directory, errorCode, ifThere } from './dir-handle.ts';

/** O_PATH, which node does not name: opens without asking for any right on what is opened. */
const O_PATH = 0o10000000;
/** How often the top is looked through. Each pass takes one level; only somebody who keeps adding gets past this. */
const MAX_PASSES = 100_000;

/** Removes `name` in `parent`, whatever it is. Not there is success. */
export async function removeTree(parent: Directory, name: string): Promise<void> {
  const top = await enterOwned(parent, Buffer.from(name));
  if (top === 'missing') return;
  if (top === 'file') {
    await ifThere(unlink(parent.path(name)));
    return;
  }
  await top.using(empty);
  await ifThere(rmdir(parent.path(name)));
}

async function empty(top: Directory): Promise<void> {
  const names = { moved: 0 };
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const entries = await top.rawEntries();
    if (entries.length === 0) return;
    for (const entry of entries) await removeEntry(top, entry.name, names);
  }
  throw new Error('files are added faster than they can be removed');
}

/** Removes a file; of a directory removes the files, moves its directories to the top, removes it. */
async function removeEntry(top: Directory, name: Buffer, names: { moved: number }): Promise<void> {
  const child = await enterOwned(top, name);
  if (child === 'missing') return;
  if (child === 'file') {
    await ifThere(unlink(top.rawPath(name)));
    return;
  }
  await child.using(async (directory) => {
    for (const entry of await directory.rawEntries()) {
      if (entry.isDirectory()) await moveUp(directory, entry.name, top, names);
      else await unlinkFile(directory, entry.name);
    }
  });
  // Not empty: somebody added to it. The next pass sees to that.
  await rmdir(top.rawPath(name)).catch(ignoring('ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'));
}

async function unlinkFile(directory: Directory, name: Buffer): Promise<void> {
  await unlink(directory.rawPath(name)).catch(ignoring('ENOENT', 'EISDIR'));
}

async function moveUp(
  from: Directory,
  name: Buffer,
  top: Directory,
  names: { moved: number },
): Promise<void> {
  // Renaming a directory writes its `..`: it has to be ours to write first.
  const child = await enterOwned(from, name);
  if (typeof child === 'string') return;
  await child.close();
  for (;;) {
    names.moved += 1;
    try {
      return await rename(from.rawPath(name), top.path(`.removing-${names.moved}`));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return;
      // The name is taken: by an earlier try that was cut off, or by a file that happens to be called so.
      if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error))) throw error;
    }
  }
}

/** Enters a directory, giving ourselves the right to if need be. A link is a file. */
async function enterOwned(parent: Directory, name: Buffer): Promise<Directory | 'file' | 'missing'> {
  try {
    const child = await parent.enter(name);
    // Readable is not enough: its entries are going to be removed.
    await child.setMode(0o700).catch(ignoring('EPERM'));
    return child;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return 'missing';
    if (code === 'ENOTDIR' || code === 'ELOOP') return 'file';
    if (code !== 'EACCES') throw error;
  }
  await makeOurs(parent, name);
  return parent.enter(name);
}

/** chmod of exactly what was opened: by its path it would follow a link that was put there meanwhile. */
async function makeOurs(parent: Directory, name: Buffer): Promise<void> {
  const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const handle = await open(parent.rawPath(name), flags);
  try {
    await chmod(`/proc/self/fd/${handle.fd}`, 0o700);
  } finally {
    await handle.close();
  }
}

function ignoring(...codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!codes.includes(errorCode(error))) throw error;
  };
}
