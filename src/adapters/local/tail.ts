/**
 * Follows a growing file for display. Uses kernel events instead of a timer, and watches the directory, because the
 * file may not exist yet. `stop` reads the rest of the file and ends the watch.
 */
import { closeSync, type FSWatcher, fstatSync, openSync, readSync, watch } from 'node:fs';
import { dirname } from 'node:path';

const CHUNK_BYTES = 64 * 1024;

/** Calls `onChunk` with the current and future content of `file`. Returns `stop`. */
export function follow(file: string, onChunk: (chunk: Uint8Array) => void): () => void {
  let offset = 0;
  const readOn = () => {
    offset = readFrom(file, offset, onChunk);
  };
  let watcher: FSWatcher | null = null;
  try {
    watcher = watch(dirname(file), readOn);
    // If the directory is removed, only the watch ends.
    watcher.on('error', () => watcher?.close());
  } catch {
    // The directory does not exist.
  }
  readOn();
  return () => {
    watcher?.close();
    readOn();
  };
}

function readFrom(file: string, offset: number, onChunk: (chunk: Uint8Array) => void): number {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return offset;
  }
  try {
    if (!fstatSync(descriptor).isFile()) return offset;
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let at = offset;
    for (;;) {
      const bytes = readSync(descriptor, buffer, 0, CHUNK_BYTES, at);
      if (bytes === 0) return at;
      onChunk(Uint8Array.prototype.slice.call(buffer, 0, bytes));
      at += bytes;
    }
  } finally {
    closeSync(descriptor);
  }
}
