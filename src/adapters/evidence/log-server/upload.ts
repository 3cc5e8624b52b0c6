/**
 * Sends the files of a finished directory into a directory on the log server. Continues where an earlier call ended:
 * a file that is there already is kept as far as it goes, after its end was read back and compared. Writes are
 * pipelined, at most WINDOW_BYTES ahead of the server's answers.
 */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { OperationError } from '../../../errors.ts';
import { Semaphore } from '../../../semaphore.ts';
import { forEach } from '../publish/for-each.ts';
import { MANIFEST } from '../publish/manifest.ts';
import { type LogServerFiles, REQUEST_BYTES } from './files.ts';

/** Fills a line of 100 Mbit/s with a round trip of 80 ms. */
const WINDOW_BYTES = 1 << 20;
/** Small files cost several round trips each. */
const FILES_AT_ONCE = 8;

/** A finished directory on this host, without its manifest. */
interface FileTree {
  readonly root: string;
  /** Relative paths, each directory before its content. */
  readonly directories: readonly string[];
  readonly files: ReadonlyMap<string, number>;
}

/** Makes `to` on the log server equal to `root` on this host, but for the manifest. */
export async function upload(
  files: LogServerFiles,
  root: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const tree = await readTree(root);
  const there = await prune(files, tree, to);
  for (const path of tree.directories) if (!there.has(path)) await files.makeDirectory(`${to}/${path}`);
  const window = new Semaphore(WINDOW_BYTES / REQUEST_BYTES);
  await forEach([...tree.files], FILES_AT_ONCE, async ([path, size]) => {
    const local = await open(join(root, path), 'r');
    try {
      const remote = `${to}/${path}`;
      await sendFile({ files, local, size, remote, window, signal }, there.get(path) ?? null);
    } finally {
      await local.close();
    }
  });
}

async function readTree(root: string): Promise<FileTree> {
  const directories: string[] = [];
  const files = new Map<string, number>();
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    const path = relative(root, join(entry.parentPath, entry.name));
    if (entry.isDirectory()) directories.push(path);
    else if (path !== MANIFEST) files.set(path, (await stat(join(root, path))).size);
  }
  return { root, directories: directories.sort(), files };
}

/** Removes what does not belong to the tree. Returns the sizes of the files that stay, and the directories. */
async function prune(
  files: LogServerFiles,
  tree: FileTree,
  to: string,
): Promise<ReadonlyMap<string, number>> {
  const directories = new Set(tree.directories);
  const there = new Map<string, number>();
  const walk = async (directory: string): Promise<void> => {
    for (const { filename, attrs } of await files.list(directory === '' ? to : `${to}/${directory}`)) {
      const path = directory === '' ? filename : `${directory}/${filename}`;
      const size = tree.files.get(path);
      if (path === MANIFEST) continue;
      if (attrs.isDirectory() && directories.has(path)) {
        there.set(path, 0);
        await walk(path);
      } else if (attrs.isFile() && size !== undefined && attrs.size <= size) {
        there.set(path, attrs.size);
      } else {
        await files.removeTree(`${to}/${path}`);
      }
    }
  };
  await walk('');
  return there;
}

interface Transfer {
  readonly files: LogServerFiles;
  readonly local: FileHandle;
  readonly size: number;
  readonly remote: string;
  readonly window: Semaphore;
  readonly signal: AbortSignal;
}

/** @param there the size of the file on the log server; null: it does not exist */
async function sendFile(transfer: Transfer, there: number | null): Promise<void> {
  const { files, remote, size } = transfer;
  let handle = await files.open(remote, there === null);
  let from = there ?? 0;
  if (!(await endsAlike(transfer, handle, from))) {
    await files.close(handle);
    await files.removeFile(remote);
    handle = await files.open(remote, true);
    from = 0;
  }
  await sendFrom(transfer, handle, from);
  await files.sync(handle);
  const sent = await files.size(handle);
  await files.close(handle);
  if (sent === size) return;
  throw new OperationError({
    operation: 'write to log server',
    target: files.target,
    message: `${remote} has ${sent} bytes instead of ${size}`,
    retryable: true,
    hint: 'check the disk of the log server, and what else writes there',
  });
}

/**
 * True when the first `length` bytes on the log server end like those on this host. A server may execute pipelined
 * writes in any order, so a part that was never written can only lie in the last window.
 */
async function endsAlike({ files, local }: Transfer, handle: Buffer, length: number): Promise<boolean> {
  for (let at = Math.max(0, length - WINDOW_BYTES); at < length; at += REQUEST_BYTES) {
    const bytes = Math.min(REQUEST_BYTES, length - at);
    const [here, there] = await Promise.all([readAt(local, at, bytes), files.read(handle, at, bytes)]);
    if (!here.equals(there)) return false;
  }
  return true;
}

async function sendFrom(transfer: Transfer, handle: Buffer, from: number): Promise<void> {
  const { files, local, size, window, signal } = transfer;
  const writes = new Set<Promise<void>>();
  const failures: unknown[] = [];
  for (let at = from; at < size && failures.length === 0; at += REQUEST_BYTES) {
    const release = await window.acquire(signal);
    const write = readAt(local, at, Math.min(REQUEST_BYTES, size - at))
      .then((bytes) => files.write(handle, bytes, at))
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => {
        release();
        writes.delete(write);
      });
    writes.add(write);
  }
  await Promise.all(writes);
  if (failures.length > 0) throw failures[0];
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
