/** The results of single tests: stored once for each run, without secrets, and removed with their job. */
import { expect, test } from 'vitest';
import type { ResultsRead } from '../../src/engine/ports/adapters.ts';
import { begun, later } from './archiving.ts';
import { CiHarness } from './ci-harness.ts';
import { SECRET } from './daemon.ts';
import { created } from './gerrit-events.ts';

const RESULTS: ResultsRead = {
  ...{ passed: 1, failed: 1, skipped: 0, failures: ['b'] },
  tests: {
    problem: null,
    tests: [
      { id: 'a', outcome: 'passed', durationMs: 5, error: null },
      { id: 'b', outcome: 'failed', durationMs: null, error: 'ValueError: 7' },
    ],
  },
};

async function ended(ci: CiHarness): Promise<string> {
  await ci.start();
  ci.emit(created());
  await ci.run();
  return ci.jobs().at(-1)?.id ?? '';
}

/** The crash points from the end of the tests to the row with their results. */
async function pointsOfReading(): Promise<readonly number[]> {
  const ci = new CiHarness({ results: RESULTS });
  await ended(ci);
  const before = ci.points.findIndex((point) => point.includes('readResults'));
  expect(before).toBeGreaterThan(0);
  return [before, before + 1, before + 2];
}

test('stored once, whatever happens while they are read', async () => {
  for (const point of await pointsOfReading()) {
    const ci = new CiHarness({ results: RESULTS });
    ci.crashAt = [point];
    const job = await ended(ci);
    expect(ci.lives).toBe(2);
    expect(ci.jobs()).toMatchObject([{ id: job, verdict: 'FAILURE' }]);
    expect(ci.store.testRun(job)).toMatchObject({ passed: 1, failed: 1, tests: [{ id: 'b' }, { id: 'a' }] });
    expect(ci.store.failingTests({ limit: 9 })).toMatchObject([{ id: 'b', runs: 1 }]);
    ci.store.close();
  }
});

test('stored also if the results are incomplete', async () => {
  const { tests } = RESULTS;
  const ci = new CiHarness({
    results: { unreadable: 'cut short', tests: { tests: tests?.tests ?? [], problem: 'cut short' } },
  });
  const job = await ended(ci);
  expect(ci.jobs()).toMatchObject([{ verdict: 'POST_FAILURE' }]);
  expect(ci.store.testRun(job)).toMatchObject({ problem: 'cut short', failed: 1 });
  ci.store.close();
});

test('stored without secrets', async () => {
  const test = {
    id: `login[${SECRET}]`,
    outcome: 'failed',
    durationMs: 1,
    error: `E: ${SECRET} is 7`,
  } as const;
  const ci = new CiHarness({
    results: { ...RESULTS, tests: { tests: [test], problem: `${SECRET} is missing` } },
  });
  const run = ci.store.testRun(await ended(ci));
  expect(run).toMatchObject({
    problem: '[redacted] is missing',
    tests: [{ id: 'login[[redacted]]', error: 'E: [redacted] is 7', fingerprint: 'E: [redacted] is #' }],
  });
  ci.store.close();
});

test('removed with their job when it leaves for an archive file', async () => {
  const { ci } = await begun({ results: RESULTS });
  const jobs = ci.jobs().map(({ id }) => id);
  expect(jobs.map((job) => ci.store.testRun(job)?.failed)).toEqual(jobs.map(() => 1));
  await later(ci);
  expect(jobs.map((job) => ci.store.testRun(job))).toEqual(jobs.map(() => null));
  expect(ci.store.failingTests({ limit: 9 })).toEqual([]);
  ci.store.close();
});
