/**
 * Writes the results of single tests. Ids of tests are stored once; a result takes about 20 bytes with its part of the indexes. This file begins
 * no transaction itself.
 */
import { hash } from 'node:crypto';
import type { TestRecorder } from '../../engine/ports/test-history.ts';
import { failureFingerprint, type TestOutcome, type TestResult } from '../../machines/model/test-result.ts';
import type { Database } from './database.ts';
import type { SqlRow } from './rows.ts';
import { prepared } from './statements.ts';

/** By increasing severity: of two results of one test in a run, the larger one counts. */
export const OUTCOMES = ['passed', 'skipped', 'failed'] as const satisfies readonly TestOutcome[];

/** A full run of Tempest has 2,000. */
const MAX_TESTS = 10_000;
/** Of all runs: 100 jobs a day with 500 tests for 100 days, in about 100 MB. The oldest runs are removed first. */
const MAX_RESULTS = 5_000_000;
const MAX_ID = 250;
const MAX_ERROR = 300;
/** Characters of the hash that replaces the end of a longer id. */
const HASH_LENGTH = 16;

export interface TestLimits {
  readonly tests: number;
  readonly results: number;
}

const LIMITS: TestLimits = { tests: MAX_TESTS, results: MAX_RESULTS };

export class TestTables {
  readonly #statements: ReturnType<typeof prepareAll>;
  readonly #limits: TestLimits;

  constructor(database: Database, limits: TestLimits = LIMITS) {
    this.#statements = prepareAll(database);
    this.#limits = limits;
  }

  record(...[job, { tests, problem }, at]: Parameters<TestRecorder['recordTests']>): void {
    const { addRun, addTest, addResult, findAttempt, setStored } = this.#statements;
    this.#drop(findAttempt.all(job) as SqlRow[]);
    const count = (outcome: TestOutcome) => tests.filter((test) => test.outcome === outcome).length;
    const counts = [count('passed'), count('failed'), count('skipped')];
    const added = addRun.run(at, ...counts, problem, job);
    if (added.changes === 0) return;
    const run = Number(added.lastInsertRowid);
    let stored = 0;
    for (const { id, outcome, durationMs, error } of failedFirst(tests).slice(0, this.#limits.tests)) {
      const { number } = addTest.get(storedId(id), run) as { readonly number: number };
      const shortError = error === null ? null : cutAt(error, MAX_ERROR);
      const fingerprint = error === null ? null : failureFingerprint(error);
      const duration = durationMs === null ? null : Math.round(durationMs);
      addResult.run(run, number, OUTCOMES.indexOf(outcome), duration, shortError, fingerprint);
      stored += 1;
    }
    setStored.run(stored, run);
    this.#drop(this.#statements.findSurplus.all(this.#limits.results) as SqlRow[]);
  }

  /** Removes the results of jobs that leave the database. */
  dropJobs(jobs: readonly string[]): void {
    this.#drop(jobs.flatMap((job) => this.#statements.findRuns.all(job) as SqlRow[]));
  }

  #drop(runs: readonly SqlRow[]): void {
    const { dropResults, dropRun, dropTests } = this.#statements;
    if (runs.length === 0) return;
    for (const { number } of runs) {
      dropResults.run(number);
      dropRun.run(number);
    }
    dropTests.run();
  }
}

function failedFirst(tests: readonly TestResult[]): readonly TestResult[] {
  const failed = ({ outcome }: TestResult) => outcome === 'failed';
  return [...tests.filter(failed), ...tests.filter((test) => !failed(test))];
}

/** A longer id ends with a hash, so that two of them with the same beginning stay different. */
function storedId(id: string): string {
  if (id.length <= MAX_ID) return id;
  return `${cutAt(id, MAX_ID - HASH_LENGTH)}${hash('sha256', id, 'hex').slice(0, HASH_LENGTH)}`;
}

/** Does not split a pair of surrogates. */
function cutAt(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => prepared(database, sql);
  return {
    findAttempt: prepare(`SELECT number FROM test_run JOIN job_view ON job_view.id = test_run.job
      WHERE test_run.job = ? AND test_run.attempt = job_view.attempt`),
    findRuns: prepare('SELECT number FROM test_run WHERE job = ?'),
    findSurplus: prepare(`SELECT number FROM
      (SELECT number, sum(stored) OVER (ORDER BY number DESC) AS newer FROM test_run) WHERE newer > ?`),
    addRun: prepare(`INSERT INTO test_run
      (job, attempt, name, project, branch, change, patchset, at, passed, failed, skipped, stored, problem)
      SELECT id, attempt, name, project, branch, change, patchset, ?, ?, ?, ?, 0, ? FROM job_view WHERE id = ?`),
    setStored: prepare('UPDATE test_run SET stored = ? WHERE number = ?'),
    addTest: prepare(`INSERT INTO test (id, newest_run) VALUES (?, ?)
      ON CONFLICT (id) DO UPDATE SET newest_run = excluded.newest_run RETURNING number`),
    addResult: prepare(`INSERT INTO test_result VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run, test) DO UPDATE
      SET outcome = max(outcome, excluded.outcome), duration_ms = coalesce(excluded.duration_ms, duration_ms),
        error = coalesce(error, excluded.error), fingerprint = coalesce(fingerprint, excluded.fingerprint)`),
    dropResults: prepare('DELETE FROM test_result WHERE run = ?'),
    dropRun: prepare('DELETE FROM test_run WHERE number = ?'),
    dropTests: prepare(
      'DELETE FROM test WHERE newest_run < (SELECT coalesce(min(number), 9e15) FROM test_run)',
    ),
  };
}
