/**
 * The files of the history archive: gzip, one JSON value per line. The first line says which histories follow, the others
 * are rows of the log. Other files in the directory are left alone.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGunzip, gzip } from 'node:zlib';
import type { ArchiveHead, HistoryArchive } from '../../engine/ports/history-archive.ts';
import type { NumberedRow } from '../../engine/ports/store.ts';
import { errorText, OperationError } from '../../errors.ts';
import { removeWithTemporaries, writeAtomically } from '../run/atomic-file.ts';
import { errorCode, fileError } from '../run/fs-error.ts';
import { BUNDLE_FORMAT, BundleCheck } from './bundle.ts';

const NAME = /^histories-(\d{6,})\.jsonl\.gz$/;
const FORMAT = 'sos-ci histories 1';

export function archiveFileName(number: number): string {
  return `histories-${String(number).padStart(6, '0')}.jsonl.gz`;
}

export class ArchiveDirectory implements HistoryArchive {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async write(head: ArchiveHead, rows: readonly NumberedRow[]): ReturnType<HistoryArchive['write']> {
    const { number } = head;
    const lines = [{ format: FORMAT, ...head }, ...rows].map((line) => `${JSON.stringify(line)}\n`);
    const bytes = await promisify(gzip)(lines.join(''));
    await this.#try('write archive', number, async () => {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      await writeAtomically(this.pathOf(number), bytes);
    });
    return { number, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
  }

  async numbers(): Promise<readonly number[]> {
    return archiveNumbers(this.#dir);
  }

  async remove(number: number): Promise<void> {
    await this.#try('remove archive', number, () => removeWithTemporaries(this.pathOf(number)));
  }

  private pathOf(number: number): string {
    return join(this.#dir, archiveFileName(number));
  }

  async #try(operation: string, number: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      throw fileError(operation, this.pathOf(number), thrown);
    }
  }
}

/** The numbers of the files, ascending; none when the directory does not exist. @throws OperationError */
export async function archiveNumbers(dir: string): Promise<readonly number[]> {
  try {
    const names = await readdir(dir);
    const numbers = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
    return numbers.sort((a, b) => a - b);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw fileError('list archives', dir, thrown);
  }
}

/** The SHA-256 of the file as hex; null: there is none. @throws OperationError */
export async function archiveChecksum(file: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return null;
    throw fileError('read archive', file, thrown);
  }
  return hash.digest('hex');
}

/** What the file says about itself; reads no more than that. @throws OperationError */
export async function readArchiveHead(file: string): Promise<ArchiveHead> {
  for await (const line of archiveLines(file)) return headOf(line, file);
  throw damaged(file, 'it is empty');
}

/**
 * The rows of a file in the order of the log. Reads bundles, and recorded rows without a head, too. An altered bundle throws
 * at its end at the latest.
 * @throws OperationError
 */
export async function* archivedRows(file: string): AsyncIterable<NumberedRow> {
  let number = 0;
  let bundle: BundleCheck | null = null;
  for await (const line of archiveLines(file)) {
    number += 1;
    const value = parsed(line, file, number);
    if (number === 1 && 'format' in value) {
      if (value.format === BUNDLE_FORMAT) bundle = new BundleCheck(line, value);
      else headOf(line, file);
      continue;
    }
    const problem = bundle?.take(line, value) ?? '';
    if (problem !== '') throw damaged(file, problem, NEW_BUNDLE);
    if (isRow(value)) yield value;
    else if (bundle === null || !isBundled(value))
      throw damaged(file, `line ${number} is not a row of the log`);
  }
  const problem = bundle?.finish() ?? '';
  if (problem !== '') throw damaged(file, problem, NEW_BUNDLE);
}

/** A line of a bundle that is not a row. */
function isBundled(value: object): boolean {
  return 'configuration' in value || 'log' in value || 'sha256' in value;
}

function headOf(line: string, file: string): ArchiveHead {
  const { format, ...head } = parsed(line, file, 1) as { format?: unknown } & ArchiveHead;
  if (format === FORMAT) return head;
  throw damaged(
    file,
    `it begins neither with the format ${JSON.stringify(FORMAT)} nor with ${JSON.stringify(BUNDLE_FORMAT)}`,
  );
}

function parsed(line: string, file: string, number: number): object {
  try {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) return value;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
  }
  throw damaged(file, `line ${number} is not a JSON object`);
}

/** The fields that readers use, with types that they can use; replay compares what they say. */
function isRow(value: object): value is NumberedRow {
  const row = value as Partial<NumberedRow>;
  const texts = [row.history, row.type, row.machine, row.state, row.outcome, row.stateHash, row.hash];
  return (
    texts.every((text) => typeof text === 'string') &&
    // Recorded rows have no number of their own in a log.
    (row.seq === undefined || Number.isSafeInteger(row.seq)) &&
    Number.isSafeInteger(row.version) &&
    isTime(row.at) &&
    isObject(row.data) &&
    Array.isArray(row.effects) &&
    row.effects.every((effect: unknown) => isObject(effect) && 'type' in effect)
  );
}

function isTime(at: unknown): boolean {
  return typeof at === 'number' && !Number.isNaN(new Date(at).getTime());
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** A longer line is not a row; a file from elsewhere may have one without an end, and be small, since it is packed. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

async function* archiveLines(file: string): AsyncIterable<string> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of archiveChunks(file)) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      yield Buffer.concat([...held, chunk.subarray(start, end)]).toString('utf8');
      [held, bytes, start] = [[], 0, end + 1];
    }
    held.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > MAX_LINE_BYTES) throw damaged(file, `a line in it is longer than ${MAX_LINE_BYTES} bytes`);
  }
  if (bytes > 0) yield Buffer.concat(held).toString('utf8');
}

const LINE_FEED = 0x0a;

async function* archiveChunks(file: string): AsyncIterable<Buffer> {
  const source = createReadStream(file);
  const input = file.endsWith('.gz') ? source.pipe(createGunzip()) : source;
  // An error of the source does not reach the end of a pipe.
  source.on('error', (thrown) => input.destroy(thrown));
  try {
    for await (const chunk of input) yield chunk as Buffer;
  } catch (thrown) {
    if (errorCode(thrown)?.startsWith('Z_') === true) throw damaged(file, errorText(thrown));
    throw fileError('read archive', file, thrown);
  } finally {
    source.destroy();
  }
}

const NEW_BUNDLE = 'get a new one from its host: sos-ci export ID';

function damaged(
  file: string,
  message: string,
  hint = 'check the file; sos-ci verify compares the archives with the database',
): OperationError {
  return new OperationError({
    operation: 'read archive',
    target: file,
    message,
    retryable: false,
    hint,
  });
}
