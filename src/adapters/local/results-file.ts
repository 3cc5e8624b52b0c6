/**
 * Opens a results file that an untrusted test run left in its work tree: only a regular file inside the tree, whatever
 * links, pipes or devices are in the path.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { errorCode } from '../run/fs-error.ts';

export type OpenedResults =
  /** A chunk is valid until the next one is requested. */
  { readonly chunks: AsyncIterable<Uint8Array> } | { readonly unreadable: string };

/** Does not wait for a writer if the file is a pipe, and does not follow a link. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Reading 100 MB in new chunks of 64 KiB, as a stream does, takes longer than all other work. */
const CHUNK_BYTES = 1024 ** 2;

/** `bytes`: the size limit; a larger file is not read. */
export async function openResults(tree: string, file: string, bytes: number): Promise<OpenedResults> {
  let handle: FileHandle | null = null;
  try {
    const root = await realpath(tree);
    handle = await open(resolve(root, file), OPEN_FLAGS);
    const problem = await problemOf(handle, root, bytes);
    if (problem === null) {
      const chunks = readChunks(handle);
      handle = null;
      return { chunks };
    }
    return { unreadable: `${file}: ${problem}` };
  } catch (error) {
    const why = REASONS[errorCode(error) ?? ''];
    if (why === undefined) throw error;
    return { unreadable: `${file}: ${why}` };
  } finally {
    await handle?.close();
  }
}

async function* readChunks(handle: FileHandle): AsyncGenerator<Uint8Array> {
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  ELOOP: 'it is a symbolic link',
  EACCES: 'no permission to read it',
  ENXIO: 'it is not a regular file',
  ENAMETOOLONG: 'its name is too long',
};

async function problemOf(handle: FileHandle, root: string, bytes: number): Promise<string | null> {
  // The open handle gives the real path, even when a directory on the way was a link.
  const real = await readlink(`/proc/self/fd/${handle.fd}`);
  if (!real.startsWith(root + sep)) return 'it is outside of the work tree';
  const found = await handle.stat();
  if (!found.isFile()) return 'it is not a regular file';
  return found.size > bytes ? `it is larger than ${bytes} bytes` : null;
}
