/** Reads a subunit v2 file, plain or gzip, in constant memory. */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type PacketSink, SubunitParser } from './parser.ts';

const GZIP_MAGIC = [0x1f, 0x8b] as const;

/**
 * Rejects with errors of the chunks. A damaged gzip file, or one that unpacks to more than `maxBytes`, is reported as
 * damage after the packets before it.
 */
export async function readPackets(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
  sink: PacketSink,
): Promise<void> {
  const parser = new SubunitParser(sink);
  let bytes = 0;
  try {
    for await (const chunk of unpacked(chunks)) {
      bytes += chunk.length;
      if (bytes > maxBytes) return sink.damage(`it contains more than ${maxBytes} bytes`);
      parser.push(chunk);
    }
  } catch (error) {
    if (!isGzipError(error)) throw error;
    return sink.damage('its gzip compression is damaged');
  }
  parser.end();
}

async function* unpacked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const source = chunks[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < GZIP_MAGIC.length) {
    const next = await source.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const all = withHead(head, source);
  const packed = GZIP_MAGIC.every((byte, index) => head[index] === byte);
  yield* packed ? gunzipped(all) : all;
}

/** The first bytes, and the rest of the source. Ends the source when the reader stops early. */
async function* withHead(head: Buffer, source: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  try {
    yield head;
    for (let next = await source.next(); !next.done; next = await source.next())
      yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
  } finally {
    await source.return?.();
  }
}

async function* gunzipped(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  // A source may reuse a chunk once the next one is requested, and a stream reads ahead.
  const source = Readable.from(copies(chunks), { objectMode: false });
  // `pipe` does not forward errors.
  source.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk as Buffer;
  } finally {
    source.destroy();
  }
}

async function* copies(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

function isGzipError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}
