/** The text of a published log, in chunks; gzip is unpacked. */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { readChunks } from '../files/new-file.ts';
import { copies, isDamage, packedAs } from '../redact/redacting-copy.ts';

/** A log that is larger, when unpacked, has no page: without secrets nothing else limits a packed one. */
const MAX_UNPACKED_BYTES = 1024 ** 3;
/** What the decision between text and other data looks at. */
const HEAD_BYTES = 4096;
const TEXT_NAME = /\.(?:log|txt|conf|out|err)\b/i;

/** Not a text, or a damaged or too large one. */
export class NotText extends Error {
  override readonly name = 'NotText';
}

/** Calls `use` with the chunks of the file. A chunk is valid only until the next one is requested. @throws NotText */
export async function readText<T>(
  path: string,
  file: FileHandle,
  signal: AbortSignal,
  use: (chunks: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const format = await packedAs(file);
  const { size } = await file.stat();
  const chunks = readChunks(file, size, signal);
  if (format === null) return use(checked(path, chunks));
  if (format !== 'gzip') throw new NotText(format);
  const unpacked = createGunzip();
  // `use` gets the errors of this pipeline by reading from its end.
  const unpacking = pipeline(Readable.from(copies(chunks)), unpacked, { signal }).catch(() => undefined);
  try {
    return await use(checked(path, unpacked));
  } catch (error) {
    signal.throwIfAborted();
    if (isDamage(error)) throw new NotText('damaged');
    throw error;
  } finally {
    unpacked.destroy();
    await unpacking;
  }
}

async function* checked(path: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    if (bytes === 0 && !isText(path, chunk.subarray(0, HEAD_BYTES))) throw new NotText('other data');
    bytes += chunk.length;
    if (bytes > MAX_UNPACKED_BYTES) throw new NotText('too large');
    yield chunk;
  }
}

/** UTF-8 without NUL, unless the name says that it is a text: logs may hold bytes of other programs. */
function isText(path: string, head: Buffer): boolean {
  if (TEXT_NAME.test(path)) return true;
  if (head.includes(0)) return false;
  try {
    // With `stream`, a character that is cut at the end is not an error.
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
