/**
 * Writes files that are complete on disk when the call returns. Only new files: an existing file is never written to,
 * and a link at the path is not followed.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const CHUNK_BYTES = 1 << 18;

/** Called with the name of the next change on disk. Tests throw from it to stop the work as a crash would. */
export type BeforeStep = (step: string) => void;

/** Creates a file, lets `fill` write it, and syncs it to disk. */
export async function writeNew<T>(
  path: string,
  mode: number,
  fill: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, NEW_FILE, mode);
  try {
    // The umask reduces the mode of open.
    await file.chmod(mode);
    const filled = await fill(file);
    await file.sync();
    return filled;
  } finally {
    await file.close();
  }
}

/** Writes all bytes: a single write may write fewer than requested. */
export async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

/** The file's first `limit` bytes, in chunks. A chunk is valid only until the next one is requested. */
export async function* readChunks(
  file: FileHandle,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK_BYTES, limit)));
  let left = limit;
  while (left > 0) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, left), limit - left);
    if (bytesRead === 0) return;
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
