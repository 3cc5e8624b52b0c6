/** The bounds of the daemon as a whole: each has a name, a default, and values that are refused where they stand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-config-'));
  writeFileSync(join(dir, 'key'), 'key');
});
afterEach(() => rmSync(dir, { recursive: true }));

function load(text: string, job = '') {
  const file = join(dir, 'sos-ci.yaml');
  const jobs = `jobs: {acme: {project: p, ${job}testing: {command: ['true'], exitCodeIsResult: true}}}`;
  writeFileSync(file, `gerrit: {host: localhost, user: acme-ci, key: ./key}\n${text}\n${jobs}\n`);
  return loadConfig(file);
}

function mistakes(text: string, job?: string): readonly string[] {
  try {
    load(text, job);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${dir}/`, '').split('\n');
    throw error;
  }
  return [];
}

test('without any of them everything is bounded', () => {
  const { limits, logs, intake, report, providers } = load('');
  expect(limits).toMatchObject({
    batch: 256,
    alarms: 1_000,
    restMs: 5_000,
    abortGraceMs: 5_000,
    deleteRounds: 3,
    stopGraceMs: 10_000,
    stopKillMs: 5_000,
    deleteGraceMs: 2_000,
    deleteKillMs: 20_000,
    startTimeoutMs: 20_000,
    endingTimeoutMs: 60_000,
    resultsBytes: 64 * 1024 ** 2,
  });
  expect(logs.limits).toEqual({ fileBytes: 256 * 1024 ** 2, entries: 200_000, depth: 32, listed: 1_000 });
  expect([intake.heldLimit, report.confirmAttempts]).toEqual([10_000, 5]);
  expect(providers).toMatchObject([{ type: 'local', deleteTimeoutMs: 120_000 }]);
});

test('with all of them', () => {
  const { limits, logs, intake, report, providers } = load(`limits:
  {batch: 7, alarms: 70, rest: 7s, abortGrace: 8s, deleteRounds: 9, stopGrace: 11s, stopKill: 12s, deleteGrace: 13s,
   deleteKill: 14s, startTimeout: 15s, endingTimeout: 16m, results: 1MB}
logs: {fileLimit: 2MB, entries: 17, depth: 18, listed: 19}
intake: {held: 21}
report: {confirmAttempts: 22}
providers: {local: {deleteTimeout: 23s}}`);
  expect(limits).toMatchObject({
    ...{ batch: 7, alarms: 70, restMs: 7_000, abortGraceMs: 8_000, deleteRounds: 9 },
    ...{ stopGraceMs: 11_000, stopKillMs: 12_000, deleteGraceMs: 13_000, deleteKillMs: 14_000 },
    ...{ startTimeoutMs: 15_000, endingTimeoutMs: 960_000, resultsBytes: 1024 ** 2 },
  });
  expect(logs.limits).toEqual({ fileBytes: 2 * 1024 ** 2, entries: 17, depth: 18, listed: 19 });
  expect([intake.heldLimit, report.confirmAttempts]).toEqual([21, 22]);
  expect(providers).toMatchObject([{ deleteTimeoutMs: 23_000 }]);
});

describe('a mistake', () => {
  test.each([
    ['limits: {stopGrace: 0s}', '2:21: limits.stopGrace: must be from 1s to 10m, not 0s'],
    ['limits: {startTimeout: 11m}', '2:24: limits.startTimeout: must be from 1s to 10m, not 11m'],
    ['limits: {deleteRounds: 0}', '2:24: limits.deleteRounds: must be from 1 to 100, not 0'],
    ['limits: {batch: -1}', '2:17: limits.batch: must be from 1 to 10000, not -1'],
    ['limits: {results: 2GB}', '2:19: limits.results: must be from 1KB to 1GB, not 2GB'],
    ['logs: {depth: 0}', '2:15: logs.depth: must be from 1 to 100, not 0'],
    ['intake: {held: 0}', '2:16: intake.held: must be from 1 to 1000000, not 0'],
    ['report: {confirmAttempts: 0}', '2:27: report.confirmAttempts: must be from 1 to 100, not 0'],
  ])('%s', (text, mistake) => {
    expect(mistakes(text)).toEqual([`sos-ci.yaml:${mistake}`]);
  });

  test.each([
    ['limits: {stopGrace: 1m}', '', '2:21: limits.stopGrace', '30 s'],
    ['limits: {stopKill: 2s}', 'limits: {stopTimeout: 11s}, ', '2:20: limits.stopKill', '11 s'],
  ])('%s, which nobody waits for', (text, job, place, timeout) => {
    expect(mistakes(text, job)).toEqual([
      `sos-ci.yaml:${place}: stopGrace and stopKill together are longer than jobs.acme.limits.stopTimeout (${timeout}); raise that, or lower these`,
    ]);
    expect(load(text, 'limits: {stopTimeout: 2m}, ').limits.stopGraceMs).toBeGreaterThan(0);
  });
});
