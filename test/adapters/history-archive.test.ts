/** Archive files: durable, complete, and read back as they were written. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  ArchiveDirectory,
  archiveChecksum,
  archivedRows,
  archiveFileName,
  archiveNumbers,
  readArchiveHead,
} from '../../src/adapters/history-archive/files.ts';
import type { NumberedRow } from '../../src/engine/ports/store.ts';
import { recorded, rowsOf } from '../machines/recorded.ts';

let dir: string;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'sos-ci-archive-')), 'archive');
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true }));

const rows = rowsOf(recorded[0] ?? '').map((row, index): NumberedRow => ({ ...row, seq: index + 1 }));
const fileOf = (number: number) => join(dir, archiveFileName(number));

async function readBack(file: string): Promise<readonly NumberedRow[]> {
  const read: NumberedRow[] = [];
  for await (const row of archivedRows(file)) read.push(row);
  return read;
}

test('rows are read back as they were written, and writing a number again replaces its file', async () => {
  const archive = new ArchiveDirectory(dir);
  expect(await archive.numbers()).toEqual([]);
  const histories = [{ history: 'j1', first: 1, last: 9, head: 'x', whole: true, title: 'a 1,1 SUCCESS' }];
  await archive.write({ number: 1, at: 4, histories: [] }, []);
  const file = await archive.write({ number: 1, at: 5, histories }, rows);
  expect(file).toMatchObject({ number: 1, sha256: await archiveChecksum(fileOf(1)) });
  expect(await readBack(fileOf(1))).toEqual(rows);
  expect(await readArchiveHead(fileOf(1))).toEqual({ format: undefined, number: 1, at: 5, histories });
  await archive.write({ number: 1_000_000, at: 6, histories: [] }, []);
  writeFileSync(join(dir, 'notes.txt'), '');
  expect(await archiveNumbers(dir)).toEqual([1, 1_000_000]);
  await archive.remove(1);
  await archive.remove(1);
  expect(await archive.numbers()).toEqual([1_000_000]);
  expect(readdirSync(dir).sort()).toEqual([archiveFileName(1_000_000), 'notes.txt'].sort());
  expect(await archiveChecksum(fileOf(1))).toBeNull();
});

const line = (value: object) => `${JSON.stringify(value)}\n`;
const HEAD = line({ format: 'sos-ci histories 1', number: 1, at: 0, histories: [] });

test.each([
  ['that is cut off', gzipSync(HEAD + line(rows[0] ?? {})).subarray(0, -20)],
  ['that is not gzip', Buffer.from(HEAD)],
  ['of another format', gzipSync(line({ format: 'sos-ci histories 2' }))],
  ['with a line that is not JSON', gzipSync(`${HEAD}{\n`)],
  ['with a line that is not a row', gzipSync(HEAD + line({ history: 'j1' }))],
  ['with a row without a state', gzipSync(HEAD + line({ ...rows[0], state: undefined }))],
  ['with a row at no time', gzipSync(HEAD + line({ ...rows[0], at: 1e300 }))],
  ['with an effect that is none', gzipSync(HEAD + line({ ...rows[0], effects: [null] }))],
])('a file %s is refused', async (_, bytes) => {
  const file = join(dir, '..', 'histories-000001.jsonl.gz');
  writeFileSync(file, bytes);
  await expect(readBack(file)).rejects.toMatchObject({ name: 'OperationError', target: file });
});

test('a line without an end is not kept in memory', async () => {
  const file = join(dir, '..', 'endless.jsonl.gz');
  writeFileSync(file, gzipSync(HEAD + 'x'.repeat(65 * 1024 * 1024), { level: 1 }));
  await expect(readBack(file)).rejects.toThrow('a line in it is longer than 67108864 bytes');
});

test('a file that cannot be written is reported', async () => {
  writeFileSync(dir, 'not a directory');
  const write = new ArchiveDirectory(dir).write({ number: 1, at: 0, histories: [] }, []);
  await expect(write).rejects.toMatchObject({ name: 'OperationError', operation: 'write archive' });
});
