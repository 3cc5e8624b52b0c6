/** `results` of a test stage: a path, or a mapping that names the format. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-config-'));
  writeFileSync(join(dir, 'key'), 'key');
});
afterEach(() => rmSync(dir, { recursive: true }));

function load(results: string) {
  const file = join(dir, 'sos-ci.yaml');
  const job = `{project: p, testing: {command: [a], results: ${results}}}`;
  writeFileSync(file, `gerrit: {host: localhost, user: acme-ci, key: ./key}\njobs: {acme: ${job}}\n`);
  return loadConfig(file).jobs[0]?.spec;
}

function mistake(results: string): string {
  try {
    load(results);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replace(/^.*jobs.acme.testing.results: /s, '');
    throw error;
  }
  return '';
}

test.each([
  ['results.tap', { format: 'tap', file: 'results.tap' }, ['results.tap']],
  ['{format: tap, file: a/b.tap}', { format: 'tap', file: 'a/b.tap' }, ['a/b.tap']],
  ['{format: subunit, file: a.gz}', { format: 'subunit', file: 'a.gz' }, ['a.gz', '.stestr']],
  [
    '{format: subunit, file: a, expected: 50}',
    { format: 'subunit', file: 'a', expected: 50 },
    ['a', '.stestr'],
  ],
])('%s', (text, results, removes) => {
  const spec = load(text);
  expect(spec?.results).toEqual(results);
  expect(spec?.testing.removes).toEqual(removes);
});

test('without results nothing is removed', () => {
  const spec = load('null, exitCodeIsResult: true');
  expect(spec?.results).toBe(null);
  expect(spec?.testing.removes).toBeUndefined();
});

test.each([
  ['[a]', 'must be a path or a mapping, not a list; write PATH or {format: subunit, file: PATH}'],
  ['{file: a}', 'names no format; write {format: subunit, file: PATH}'],
  ['{format: subunit}', 'names no file; write {format: subunit, file: PATH}'],
  ['{format: junit, file: a}', 'format: must be one of tap, subunit, not "junit"'],
  [
    '{format: subunit, file: a, gzip: true}',
    'has the unknown key "gzip"; write {format: subunit, file: PATH}',
  ],
  [
    '{format: subunit, file: ../a}',
    'file: "../a" leads out of the work tree; name it relative to the work tree, without ..',
  ],
  ['{format: subunit, file: a, expected: 0}', 'expected: must be from 1 to 1000000, not 0'],
])('%s is rejected', (text, expected) => {
  expect(mistake(text)).toBe(expected);
});
