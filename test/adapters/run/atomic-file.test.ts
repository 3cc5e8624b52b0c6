import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  removeWithTemporaries,
  temporaryPath,
  withTemporary,
  writeAtomically,
  writeAtomicallySync,
} from '../../../src/adapters/run/atomic-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-half-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a temporary file is removed with its target, and no other file is', async () => {
  const file = join(directory, 'node-1');
  const other = `${file}.deadbeef`;
  const [half, another, ofTheOther] = [temporaryPath(file), temporaryPath(file), temporaryPath(other)];
  for (const path of [file, other, half, another, ofTheOther]) writeFileSync(path, '');
  await removeWithTemporaries(file);
  const left = readdirSync(directory).map((name) => join(directory, name));
  expect(new Set(left)).toEqual(new Set([other, ofTheOther]));
});

test('a file that is being written is left alone, even if its target is removed meanwhile', async () => {
  const file = join(directory, 'node-1');
  writeFileSync(file, 'before');
  await withTemporary(file, async (temporary) => {
    writeFileSync(temporary, 'after');
    await removeWithTemporaries(file);
    renameSync(temporary, file);
  });
  expect(readFileSync(file, 'utf8')).toBe('after');
  expect(readdirSync(directory)).toEqual(['node-1']);
});

test('removing a missing file succeeds', async () => {
  await removeWithTemporaries(join(directory, 'nowhere', 'node-1'));
  expect(readdirSync(directory)).toEqual([]);
});

test('a file is written completely, with its mode and time, and replaces the old one', async () => {
  const file = join(directory, 'pid');
  writeFileSync(file, 'old');
  await writeAtomically(file, '17\n', { mode: 0o644, modifiedAt: 1_700_000_000 });
  expect(readFileSync(file, 'utf8')).toBe('17\n');
  expect(statSync(file).mode & 0o777).toBe(0o644);
  expect(statSync(file).mtimeMs).toBe(1_700_000_000_000);
  writeAtomicallySync(file, (temporary) => `${statSync(temporary).size} bytes\n`);
  expect(readFileSync(file, 'utf8')).toBe('0 bytes\n');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(['pid']);
});

test('a write that fails leaves nothing behind', async () => {
  const file = join(directory, 'taken');
  mkdirSync(file);
  await expect(writeAtomically(file, 'text')).rejects.toThrow();
  expect(() => writeAtomicallySync(file, () => 'text')).toThrow();
  expect(readdirSync(directory)).toEqual(['taken']);
});
