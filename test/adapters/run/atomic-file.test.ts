import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryPath, removeWithTemporaries } from '../../../src/adapters/run/atomic-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-half-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('what was left half written goes with its file, and nothing else does', async () => {
  const file = join(directory, 'node-1');
  const other = `${file}.deadbeef`;
  const [half, another, ofTheOther] = [temporaryPath(file), temporaryPath(file), temporaryPath(other)];
  for (const path of [file, other, half, another, ofTheOther]) writeFileSync(path, '');
  await removeWithTemporaries(file);
  const left = readdirSync(directory).map((name) => join(directory, name));
  expect(new Set(left)).toEqual(new Set([other, ofTheOther]));
});

test('nothing there is success', async () => {
  await removeWithTemporaries(join(directory, 'nowhere', 'node-1'));
  expect(readdirSync(directory)).toEqual([]);
});
