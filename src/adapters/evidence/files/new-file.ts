/**
 * Writes files so that they are whole on the disk when the call returns. New files only: what is there already is
 * never written into, and a link that stands in the way is not followed.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const CHUNK_BYTES = 1 << 18;

/** Names what is about to be changed on the disk. Tests throw from it, to stop the work as a crash would. */
export type BeforeStep = (step: string) => void;

/** Makes a file, lets `fill` write it, and brings it to the disk. */
export async function writeNew<T>(
  path: string,
  mode: number,
  fill: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, NEW_FILE, mode);
  try {
    // The mode of open is cut by the umask.
    await file.chmod(mode);
    const filled = await fill(file);
    await file.sync();
    return filled;
  } finally {
    await file.close();
  }
}

/** Writes all of it: a single write may take less than it was given. */
export async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

/** The file's first `limit` bytes, in chunks. Each chunk is only valid until the next one is asked for. */
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
