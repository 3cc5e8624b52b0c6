/**
 * The totals that CI prints. A crash, an empty suite or a missing report must not look like a success.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ROOT } from '../house/source.ts';

const directory = mkdtempSync(join(tmpdir(), 'sos-ci-tally-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const loaded = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const withFailure = { status: 'failed', assertionResults: [{ status: 'failed' }] };
const notLoaded = { status: 'failed', assertionResults: [] };
const report = (numPassedTests: number, numFailedTests: number, ...testResults: object[]) => ({
  numPassedTests,
  numFailedTests,
  numPendingTests: 3,
  testResults,
});

test.each([
  ['all passed', '0', report(5, 0, loaded), '5 0 3'],
  ['some failed', '1', report(4, 2, loaded, withFailure), '4 2 3'],
  ['a file could not be loaded', '1', report(4, 0, loaded, notLoaded), '4 1 3'],
  ['an error outside of any test', '1', report(4, 0, loaded), '4 1 3'],
  ['no test ran', '0', report(0, 0), '0 1 3'],
  ['killed by a time limit', '124', report(4, 0, loaded), '4 1 3'],
])('counts a suite: %s', (_, code, content, expected) => {
  const file = join(directory, 'report.json');
  writeFileSync(file, JSON.stringify(content));
  expect(tally(code, file)).toBe(expected);
});

test('counts a suite without a report as one failure', () => {
  expect(tally('0', join(directory, 'none.json'))).toBe('0 1 0');
  expect(tally('1', join(directory, 'none.json'))).toBe('0 1 0');
});

test('counts a command as passed or failed by its exit code', () => {
  expect(tally('0')).toBe('1 0 0');
  expect(tally('3')).toBe('0 1 0');
});

function tally(...args: string[]): string {
  const { stdout } = spawnSync(process.execPath, [join(ROOT, 'scripts', 'tally.mjs'), ...args], {
    encoding: 'utf8',
  });
  return stdout.trim();
}
