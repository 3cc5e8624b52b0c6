/**
 * Removes a tree that untrusted code may have built or may still be changing. Guarantees: follows no link and enters
 * directories only by name from an open directory; works at any depth with a fixed number of open files (deep
 * directories are first moved to the top); also removes directories without permissions and names that are not UTF-8.
 */
import { constants } from 'node:fs';
import { chmod, open, rename, rmdir, unlink } from 'node:fs/promises';
import { type Directory, errorCode, ifExists } from './dir-handle.ts';

/** O_PATH, which Node does not define: opens a file without needing any permission on it. */
const O_PATH = 0o10000000;
/**
 * The maximum number of passes over the top directory. Each pass removes one level; only a process that keeps adding
 * files exceeds this.
 */
const MAX_PASSES = 100_000;

/** Removes `name` in `parent`, whatever its type. Succeeds when it does not exist. */
export async function removeTree(parent: Directory, name: string): Promise<void> {
  const top = await enterOwned(parent, Buffer.from(name));
  if (top === 'missing') return;
  if (top === 'file') {
    await ifExists(unlink(parent.path(name)));
    return;
  }
  await top.using(empty);
  await ifExists(rmdir(parent.path(name)));
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

/** Removes a file. For a directory: removes its files, moves its subdirectories to the top, and removes it. */
async function removeEntry(top: Directory, name: Buffer, names: { moved: number }): Promise<void> {
  const child = await enterOwned(top, name);
  if (child === 'missing') return;
  if (child === 'file') {
    await ifExists(unlink(top.rawPath(name)));
    return;
  }
  await child.using(async (directory) => {
    for (const entry of await directory.rawEntries()) {
      if (entry.isDirectory()) await moveUp(directory, entry.name, top, names);
      else await unlinkFile(directory, entry.name);
    }
  });
  // If entries were added meanwhile, the directory is not empty; the next pass removes them.
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
  // Renaming a directory changes its `..`, so we need write permission on it.
  const child = await enterOwned(from, name);
  if (typeof child === 'string') return;
  await child.close();
  for (;;) {
    names.moved += 1;
    try {
      return await rename(from.rawPath(name), top.path(`.removing-${names.moved}`));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return;
      // The name is taken by an earlier removal that was interrupted, or by a file that happens to have this name.
      if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error))) throw error;
    }
  }
}

/** Opens a directory, and changes its mode first when necessary. A link counts as a file. */
async function enterOwned(parent: Directory, name: Buffer): Promise<Directory | 'file' | 'missing'> {
  try {
    const child = await parent.enter(name);
    // Read permission is not enough, because its entries will be removed.
    await child.setMode(0o700).catch(ignoring('EPERM'));
    return child;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return 'missing';
    if (code === 'ENOTDIR' || code === 'ELOOP') return 'file';
    if (code !== 'EACCES') throw error;
  }
  await makeWritable(parent, name);
  return parent.enter(name);
}

/**
 * Changes the mode through the open handle: chmod by path would follow a link that replaced the directory meanwhile.
 */
async function makeWritable(parent: Directory, name: Buffer): Promise<void> {
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
