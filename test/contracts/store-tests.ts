/** The contract of a store's test results: what is stored of a run, and which tests fail, are flaky or are slow. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dispatch } from '../../src/engine/loop/dispatch.ts';
import type { LogEntry, Store } from '../../src/engine/ports/store.ts';
import type { TestResult } from '../../src/machines/model/test-result.ts';
import { jobSpec, PATCHSET, START } from '../machines/facts.ts';
import { sha256 } from '../machines/simulator.ts';

interface RunOptions {
  readonly name?: string;
  readonly branch?: string;
  readonly change?: number;
  readonly patchset?: number;
}

/** `a+` passed, `a-` failed, `a~` was skipped; `a+250` in 250 ms. */
export function testResults(text: string): readonly TestResult[] {
  return text.split(' ').map((word) => {
    const [, id = '', sign = '', ms = ''] = /^(.*)([+~-])([\d.]*)$/.exec(word) ?? [];
    const outcome = sign === '+' ? 'passed' : sign === '-' ? 'failed' : 'skipped';
    const error = outcome === 'failed' ? `ValueError: ${id} is 7` : null;
    return { id, outcome, durationMs: ms === '' ? null : Number(ms), error };
  });
}

export function storeTestsContract(name: string, open: () => Store): void {
  describe(`test results: ${name}`, () => {
    let store: Store;
    let runs = 0;
    beforeEach(() => {
      store = open();
      runs = 0;
    });
    afterEach(() => store.close());

    /** Each run is one job, one second after the previous one. */
    const addRun = async (text: string, options: RunOptions = {}): Promise<string> => {
      const { name = 'dsvm', branch = 'master', change = 1, patchset = 1 } = options;
      runs += 1;
      const job = `j${runs}`;
      const batch: LogEntry[] = [];
      const stored = (id: string) => store.stored(id);
      const rules = { hash: sha256, now: () => START, stored, wasRequested: () => false, strict: true };
      const tested = { ...PATCHSET, branch, change, patchset };
      const spec = jobSpec({ name });
      const event = {
        type: 'job.accepted',
        job,
        review: 'r',
        deployment: 'd',
        patchset: tested,
        spec,
      } as const;
      dispatch(batch, { history: job, startsOn: 'job@1', event, settles: null, causationId: null }, rules);
      await store.append(batch);
      store.recordTests(job, { tests: testResults(text), problem: null }, START + runs * 1_000);
      return job;
    };
    const failing = (query: object = {}) =>
      store
        .failingTests({ limit: 99, ...query })
        .map(
          ({ id, name: job, branch, first, runs: count, changes }) =>
            `${id} ${job} ${branch} since ${first.job}: ${count} of ${changes}`,
        );
    const flaky = (query: object = {}) =>
      store
        .flakyTests({ limit: 99, ...query })
        .map(
          (one) =>
            `${one.id} ${one.name} ${one.failures}/${one.runs} on ${one.changes}, last ${one.newest.job}` +
            (one.samePatchset ? ', same patchset' : ''),
        );
    const slowest = (query: object = {}) =>
      store
        .slowestTests({ limit: 99, ...query })
        .map(
          ({ id, name: job, runs: count, medianMs, p90Ms }) => `${id} ${job} ${count} ${medianMs} ${p90Ms}`,
        );

    test('a run has its tests, failed ones first, and the counts of all', async () => {
      const job = await addRun('b+20 a+10.4 d- c~');
      expect(store.testRun(job)).toEqual({
        ...{ job, attempt: 1, change: 1, patchset: 1, at: START + 1_000, problem: null },
        ...{ passed: 2, failed: 1, skipped: 1, dropped: 0 },
        tests: [
          {
            id: 'd',
            outcome: 'failed',
            durationMs: null,
            error: 'ValueError: d is 7',
            fingerprint: 'ValueError: d is #',
          },
          { id: 'c', outcome: 'skipped', durationMs: null, error: null, fingerprint: null },
          { id: 'a', outcome: 'passed', durationMs: 10, error: null, fingerprint: null },
          { id: 'b', outcome: 'passed', durationMs: 20, error: null, fingerprint: null },
        ],
      });
    });

    test('there is none for a job without results, and none is stored for an unknown job', async () => {
      expect(store.testRun('j1')).toBeNull();
      store.recordTests('j1', { tests: testResults('a+'), problem: null }, START);
      expect(store.testRun('j1')).toBeNull();
    });

    test('results that are read again replace the earlier ones of the attempt', async () => {
      const job = await addRun('a- b+');
      store.recordTests(job, { tests: testResults('b- c+'), problem: 'cut short' }, START + 9_000);
      expect(store.testRun(job)).toMatchObject({
        ...{ passed: 1, failed: 1, problem: 'cut short', at: START + 9_000 },
        tests: [{ id: 'b' }, { id: 'c' }],
      });
      expect(failing()).toEqual(['b dsvm master since j1: 1 of 1']);
    });

    test('a test with two results in a run has the worse one', async () => {
      const job = await addRun('a-5 a+3');
      expect(store.testRun(job)?.tests).toMatchObject([{ id: 'a', outcome: 'failed' }]);
    });

    test('long ids and errors are cut, and ids that differ only at the end stay different', async () => {
      const job = await addRun('a+');
      const long = (end: string) => `${'long.'.repeat(200)}${end}`;
      const tests = ['one', 'two'].map((end) => ({
        ...testResults('a-')[0],
        id: long(end),
        error: long(end),
      }));
      store.recordTests(job, { tests: tests as readonly TestResult[], problem: null }, START);
      const stored = store.testRun(job)?.tests ?? [];
      expect(new Set(stored.map(({ id }) => id)).size).toBe(2);
      for (const { id, error } of stored) {
        expect(id).toMatch(/^long\..{228}…[0-9a-f]{16}$/);
        expect(error).toHaveLength(300);
      }
    });

    test('failing since the first failure after the last pass, in the newest run of each branch and job', async () => {
      await addRun('a+ b+ c-');
      await addRun('a- b+ c-', { change: 2 });
      await addRun('a- b- c+', { change: 3 });
      await addRun('a- b+ c-', { change: 3, patchset: 2 });
      await addRun('a- c+', { name: 'other' });
      await addRun('a+', { branch: 'stable' });
      await addRun('d-', { branch: 'stable', change: 4 });
      expect(failing()).toEqual([
        'a dsvm master since j2: 3 of 2',
        'c dsvm master since j4: 1 of 1',
        'a other master since j5: 1 of 1',
        'd dsvm stable since j7: 1 of 1',
      ]);
      expect(failing({ job: 'other' })).toEqual(['a other master since j5: 1 of 1']);
      expect(failing({ branch: 'stable' })).toEqual(['d dsvm stable since j7: 1 of 1']);
      expect(failing({ project: 'none' })).toEqual([]);
      expect(failing({ since: START + 4_000, limit: 1 })).toEqual(['a dsvm master since j4: 1 of 1']);
      expect(failing({ since: START + 99_000 })).toEqual([]);
    });

    test('a run that skipped a test, or did not have it, neither ends nor continues its series', async () => {
      for (const results of ['a+', 'a-', 'a~', 'b+', 'a-']) await addRun(results);
      expect(failing()).toEqual(['a dsvm master since j2: 2 of 1']);
    });

    test('flaky is what passed and failed on one patchset', async () => {
      await addRun('a+ b- c- d+');
      await addRun('a- b- c~ d+');
      await addRun('a+ b- c+ d+', { change: 2 });
      expect(flaky()).toEqual(['a dsvm 1/3 on 1, last j2, same patchset']);
    });

    test('flaky is what passed and failed on two changes, and not what one change broke or repaired', async () => {
      await addRun('a- b-');
      await addRun('a+ b+', { patchset: 2 });
      expect(flaky()).toEqual([]);
      await addRun('a+ b+', { change: 2 });
      await addRun('a- b+', { change: 2, patchset: 2 });
      await addRun('a- b-', { change: 3 });
      await addRun('a+ b+', { change: 4, name: 'other' });
      // The failure on change 3 counts as a run only: nothing contradicts it.
      expect(flaky()).toEqual(['a dsvm 2/5 on 2, last j4']);
      expect(flaky({ since: START + 3_000 })).toEqual([]);
      expect(flaky({ job: 'other' })).toEqual([]);
    });

    test('flaky tests are sorted by their share of failures, up to the limit', async () => {
      await addRun('a- b- c+');
      await addRun('a+ b- c-');
      await addRun('a+ b+ c+');
      const sorted = ['b dsvm 2/3', 'a dsvm 1/3', 'c dsvm 1/3'];
      expect(flaky().map((line) => line.slice(0, 10))).toEqual(sorted);
      expect(flaky({ limit: 1 })).toHaveLength(1);
    });

    test('the slowest have the median and 90th percentile of the runs that passed them', async () => {
      for (let ms = 1; ms <= 10; ms += 1) await addRun(`a+${ms * 100} b+5 c-9000 d+`);
      await addRun('a+250 b+7', { name: 'other' });
      expect(slowest()).toEqual(['a dsvm 10 500 900', 'a other 1 250 250', 'b other 1 7 7', 'b dsvm 10 5 5']);
      expect(slowest({ job: 'other', limit: 1 })).toEqual(['a other 1 250 250']);
      expect(slowest({ since: START + 10_000, job: 'dsvm' })).toEqual(['a dsvm 1 1000 1000', 'b dsvm 1 5 5']);
    });

    test('durations are those of the newest 200 runs of each job', async () => {
      await addRun('a+9000', { name: 'other' });
      for (let index = 0; index < 201; index += 1) await addRun(index === 0 ? 'a+8000' : 'a+5');
      expect(slowest()).toEqual(['a other 1 9000 9000', 'a dsvm 200 5 5']);
    });
  });
}
