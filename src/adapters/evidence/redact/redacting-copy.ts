/**
 * The last step before a file is public: copies it without its secrets, and computes the size and checksum of the
 * output.
 *
 * Packed files: gzip is unpacked, redacted and packed again, because CI logs contain many gzip files
 * (testr_results.html.gz) that readers need. The unpacked size is bounded, so a decompression bomb is listed as a
 * skipped file. Other packed formats can hide a secret, and are skipped while there are secrets. Without secrets all
 * files are copied unchanged.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { errorCode } from '../files/dir-handle.ts';
import { readChunks, writeAll, writeNew } from '../files/new-file.ts';
import type { SecretFinder } from './found-secrets.ts';
import { Redactor, type SecretSet } from './redact.ts';

/** This file cannot be published; the others can. */
export class NotPublishable extends Error {
  override readonly name = 'NotPublishable';
}

/** The bytes that packed files may still unpack to. Shared by all files of one publication. */
export interface UnpackBudget {
  left: number;
}

export interface Transfer {
  readonly from: FileHandle;
  /** A path that does not exist. */
  readonly to: string;
  readonly mode: number;
  /** False: the file was truncated, and its end may contain half a secret. */
  readonly whole: boolean;
  readonly secrets: SecretSet;
  readonly budget: UnpackBudget;
  readonly signal: AbortSignal;
}

export interface Transferred {
  readonly bytes: number;
  readonly sha256: string;
}

/** Magic bytes of packed formats. Packed content cannot be searched directly. */
const PACKED: ReadonlyArray<readonly [name: string, hex: string]> = [
  ['gzip', '1f8b'],
  ['compress', '1f9d'],
  ['bzip2', '425a68'],
  ['xz', 'fd377a585a00'],
  ['zstd', '28b52ffd'],
  ['lz4', '04224d18'],
  ['7z', '377abcaf271c'],
  ['zip', '504b0304'],
  ['rar', '52617221'],
];
const LONGEST_MAGIC = 6;

/** Copies one file. @throws NotPublishable when its secrets cannot be removed */
export async function transfer(job: Transfer): Promise<Transferred> {
  const format = job.secrets.empty ? null : await packedAs(job.from);
  if (format !== null && format !== 'gzip') {
    throw new NotPublishable(`packed (${format}): secrets in it could not be removed`);
  }
  const { size } = await job.from.stat();
  return writeNew(job.to, job.mode, async (file) => {
    const sink = new Sink(file);
    const source = readChunks(job.from, size, job.signal);
    if (format === 'gzip') await throughGzip(source, job, sink);
    else await sink.takeAll(redacted(source, job));
    return sink.sum();
  });
}

/** Searches one file, also inside gzip, for secrets that are not configured. Skips other packed formats. */
export async function searchSecrets(
  path: string,
  job: Pick<Transfer, 'from' | 'budget' | 'signal'>,
  finder: SecretFinder,
): Promise<void> {
  const format = await packedAs(job.from);
  if (format !== null && format !== 'gzip') return;
  const { size } = await job.from.stat();
  const source = readChunks(job.from, size, job.signal);
  if (format === null) return finder.search(path, source);
  try {
    await pipeline(
      Readable.from(copies(source)),
      createGunzip(),
      (unpacked: AsyncIterable<Buffer>) => finder.search(path, withinBudget(unpacked, job.budget)),
      { signal: job.signal },
    );
  } catch (error) {
    // Such a file is not published. A reader that stops early ends the pipeline with an AbortError.
    const isSkipped =
      error instanceof NotPublishable ||
      isDamage(error) ||
      (error instanceof Error && error.name === 'AbortError');
    if (job.signal.aborted || !isSkipped) throw error;
  }
}

export function isDamage(error: unknown): boolean {
  return ['Z_DATA_ERROR', 'Z_BUF_ERROR', 'Z_NEED_DICT'].includes(errorCode(error));
}

/** Counts and hashes the bytes that it writes. */
class Sink {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async takeAll(chunks: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of chunks) {
      this.#hash.update(chunk);
      this.#bytes += chunk.length;
      await writeAll(this.#file, chunk);
    }
  }

  sum(): Transferred {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

async function* redacted(chunks: AsyncIterable<Buffer>, job: Transfer): AsyncGenerator<Buffer> {
  const redactor = new Redactor(job.secrets);
  for await (const chunk of chunks) {
    const out = redactor.push(chunk);
    if (out.length > 0) yield out;
  }
  if (job.whole) yield redactor.end();
}

async function throughGzip(source: AsyncIterable<Buffer>, job: Transfer, sink: Sink): Promise<void> {
  try {
    await pipeline(
      // A chunk is valid only until the next one is read, and a stream reads ahead.
      Readable.from(copies(source)),
      createGunzip(),
      (unpacked: AsyncIterable<Buffer>) => redacted(withinBudget(unpacked, job.budget), job),
      createGzip(),
      (packed: AsyncIterable<Buffer>) => sink.takeAll(packed),
      { signal: job.signal },
    );
  } catch (error) {
    if (isDamage(error)) {
      throw new NotPublishable('a damaged gzip file: secrets in it could not be removed');
    }
    throw error;
  }
}

export async function* copies(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

async function* withinBudget(chunks: AsyncIterable<Buffer>, budget: UnpackBudget): AsyncGenerator<Buffer> {
  let first = true;
  for await (const chunk of chunks) {
    budget.left -= chunk.length;
    if (budget.left < 0) throw new NotPublishable('unpacks to more than this job may publish');
    if (first && formatOf(chunk) !== null) throw new NotPublishable('packed more than once');
    first = false;
    yield chunk;
  }
}

export async function packedAs(file: FileHandle): Promise<string | null> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_MAGIC), 0, LONGEST_MAGIC, 0);
  return formatOf(buffer.subarray(0, bytesRead));
}

function formatOf(head: Buffer): string | null {
  const hex = head.toString('hex', 0, LONGEST_MAGIC);
  return PACKED.find(([, magic]) => hex.startsWith(magic))?.[0] ?? null;
}
