import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findStateDir } from '../../../src/config/file/state-dir.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-state-dir-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test.each([
  ['jobs: {}', () => join(dir, 'state')],
  ['# stateDir: /no\njobs: {}', () => join(dir, 'state')],
  ['stateDir: there', () => join(dir, 'there')],
  ['{stateDir: "/var/lib/sos-ci"}', () => '/var/lib/sos-ci'],
  ['stateDir: ~/ci', () => join(homedir(), 'ci')],
  ['jobs: {stateDir: no}', () => join(dir, 'state')],
  ['stateDir: [1]', () => null],
  ['stateDir: [', () => null],
])('%j', async (text, expected) => {
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, text);
  expect(await findStateDir(file)).toBe(expected());
});

test('a missing file has none', async () => {
  expect(await findStateDir(join(dir, 'none'))).toBeNull();
});
