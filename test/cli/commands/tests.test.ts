/** `sos-ci tests`: of one job, and over all runs. */
import { describe, expect, test } from 'vitest';
import { type TestsOptions, testsCommand } from '../../../src/cli/commands/tests.ts';
import { textWidth } from '../../../src/cli/output/table.ts';
import type { StoredTest, TestRun } from '../../../src/engine/ports/test-history.ts';
import { fakeIo } from '../../fakes/io.ts';
import { type Contents, fakeReader } from '../../fakes/reader.ts';
import { NOW, RUNNING, SAMPLE } from '../sample.ts';
import { FAILED, START } from '../sample-story.ts';

const VOLUMES = 'tempest.api.volume.test_volumes_actions.VolumesActionsTest';
const HOSTILE_ID = 'tests.unit.test_evil.Evil.test_\u001b[2J\u202e';
const result = (id: string, outcome: StoredTest['outcome'], more: Partial<StoredTest> = {}): StoredTest => ({
  ...{ id, outcome, durationMs: 1_250, error: null, fingerprint: null },
  ...more,
});
const run: TestRun = {
  ...{ job: FAILED, change: 912345, patchset: 3, attempt: 2, at: START + 3_000_000 },
  ...{ passed: 2, failed: 2, skipped: 1, dropped: 0, problem: null },
  tests: [
    result(`${VOLUMES}.test_attach_detach_volume_to_instance`, 'failed', {
      durationMs: 207_865,
      error:
        'tempest.lib.exceptions.TimeoutException: Request timed out Details: Volume 7 failed to reach in-use status',
      fingerprint:
        'tempest.lib.exceptions.TimeoutException: Request timed out Details: Volume # failed to reach in-use status',
    }),
    result(HOSTILE_ID, 'failed', { durationMs: null, error: 'AssertionError: \u001b]0;title\u0007' }),
    result(`${VOLUMES}.test_get_volume_attachment`, 'skipped', { durationMs: 0 }),
    result(`${VOLUMES}.test_reserve_unreserve_volume`, 'passed'),
    result(`${VOLUMES}.test_volume_bootable`, 'passed'),
  ],
};
const ref = (at: number, job = FAILED) => ({ job, change: 912345, patchset: 3, at });
const contents: Partial<Contents> = {
  ...SAMPLE,
  testRuns: [run],
  failingTests: [
    {
      ...{ id: `${VOLUMES}.test_attach_detach_volume_to_instance`, name: 'acme-dsvm' },
      ...{
        project: 'openstack/cinder',
        branch: 'master',
        error: 'ValueError: 7',
        fingerprint: 'ValueError: #',
      },
      ...{ newest: ref(START + 3_000_000), first: ref(START - 86_400_000, RUNNING), runs: 12, changes: 7 },
    },
    {
      ...{ id: HOSTILE_ID, name: 'acme-fc', project: 'openstack/cinder', branch: 'stable/2026.1' },
      ...{ error: null, fingerprint: null, newest: ref(START), first: ref(START), runs: 1, changes: 1 },
    },
  ],
  flakyTests: [
    {
      ...{ id: `${VOLUMES}.test_attach_detach_volume_to_instance`, name: 'acme-dsvm' },
      ...{ failures: 3, runs: 25, changes: 2, samePatchset: true, newest: ref(START) },
    },
    {
      ...{ id: HOSTILE_ID, name: 'acme-fc', failures: 2, runs: 140, changes: 2, samePatchset: false },
      newest: ref(START, RUNNING),
    },
  ],
  slowestTests: [
    {
      ...{ id: `${VOLUMES}.test_attach_detach_volume_to_instance`, name: 'acme-dsvm' },
      ...{ runs: 25, medianMs: 180_300, p90Ms: 301_000 },
    },
    { id: HOSTILE_ID, name: 'acme-fc', runs: 140, medianMs: 950, p90Ms: 12_400 },
  ],
};
const reader = fakeReader(contents);
const now = () => NOW;
const show = (id: string | null, options: Partial<TestsOptions>, width = Number.POSITIVE_INFINITY) => {
  const io = fakeIo({ width, now });
  expect(testsCommand(io, reader, id, { limit: 50, ...options })).toBe(0);
  return io;
};

const VIEWS = {
  job: [FAILED, {}],
  all: [FAILED, { all: true }],
  failing: [null, { failing: true }],
  flaky: [null, { flaky: true }],
  slowest: [null, { slowest: true }],
} as const;

describe.each(Object.entries(VIEWS))('%s', (name, [id, options]) => {
  test.each([60, 80, 120])('at a width of %d', async (width) => {
    const text = show(id, options, width).stdout();
    await expect(text).toMatchFileSnapshot(`../../golden/tests-${name}-${width}.txt`);
    for (const line of text.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(width);
  });

  test('as JSON has a stable shape', async () => {
    await expect(show(id, { ...options, json: true }).stdout()).toMatchFileSnapshot(
      `../../golden/tests-${name}.json`,
    );
  });
});

test('colour shows what failed', () => {
  const io = fakeIo({ color: true });
  testsCommand(io, reader, FAILED, { limit: 50 });
  expect(io.stdout()).toContain('\u001b[31mfailed');
  expect(io.stdout()).not.toContain('\u001b[2J');
});

test('a job without results, an incomplete run, and a run with too many tests say so', () => {
  expect(show(RUNNING, {}).stdout()).toBe(
    'no results of single tests: they are stored once a results file of format subunit has been read\n',
  );
  const broken = { ...run, tests: [], passed: 90_000, dropped: 80_002, problem: 'cut\u001b[2J short' };
  const io = fakeIo();
  testsCommand(io, fakeReader({ ...contents, testRuns: [broken] }), FAILED, { limit: 50 });
  expect(io.stdout()).toBe(
    '2 failed, 90000 passed, 1 skipped in attempt 2\n' +
      '80002 of them are not stored: a run has too many tests\nincomplete: cut\\x1b[2J short\n',
  );
});

test('nothing that fails, is flaky or is slow is said, and so is a full list', () => {
  for (const view of ['failing', 'flaky', 'slowest']) {
    const io = fakeIo();
    testsCommand(io, fakeReader(), null, { limit: 50, [view]: true });
    expect(io.stdout()).toMatch(/^no .*\n$/);
  }
  expect(show(null, { flaky: true, limit: 1 }).stderr()).toBe('the first 1 are shown; more with --limit N\n');
});

test('looks back 30 days for flaky and slow tests, and over everything for failing ones', () => {
  const asked: unknown[] = [];
  const noting = (query: unknown) => {
    asked.push(query);
    return [];
  };
  const noted = { ...reader, failingTests: noting, flakyTests: noting, slowestTests: noting };
  const ask = (options: object) => testsCommand(fakeIo({ now }), noted, null, { limit: 5, ...options });
  ask({ failing: true });
  ask({ flaky: true, job: 'a' });
  ask({ slowest: true, since: 7, branch: 'b', project: 'p' });
  const from = NOW - 30 * 24 * 3_600_000;
  expect(asked).toEqual([
    { limit: 5 },
    { limit: 5, since: from, job: 'a' },
    { limit: 5, since: 7, branch: 'b', project: 'p' },
  ]);
});

test.each([
  [null, {}],
  [FAILED, { flaky: true }],
  [null, { flaky: true, slowest: true }],
])('%s with %o is an error that names the next command', (id, options) => {
  expect(() => testsCommand(fakeIo(), reader, id, { limit: 50, ...options })).toThrow(
    expect.objectContaining({ exitCode: 2, hint: 'sos-ci tests ID, or sos-ci tests --failing' }),
  );
});

test.each(['failing', 'flaky', 'slowest'])('--%s --jsonl prints each test on a line', (which) => {
  const io = fakeIo({ now, jsonl: true });
  testsCommand(io, reader, null, { limit: 5, json: true, [which]: true });
  const lines = io.stdout().trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty('id');
});
