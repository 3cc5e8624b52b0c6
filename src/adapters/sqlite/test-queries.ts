/** Queries on the results of single tests: of one run, and over the runs that a query selects. */
import type {
  FailingTest,
  FlakyTest,
  RunRef,
  SlowTest,
  StoredTest,
  TestQuery,
  TestRun,
} from '../../engine/ports/test-history.ts';
import type { Database } from './database.ts';
import type { SqlRow } from './rows.ts';
import { prepared } from './statements.ts';
import { OUTCOMES } from './test-tables.ts';

const NEWEST_RUN = 'SELECT * FROM test_run WHERE job = ? ORDER BY attempt DESC LIMIT 1';
const TESTS_OF_RUN = `SELECT id, outcome, duration_ms AS durationMs, error, fingerprint
  FROM test_result JOIN test ON test.number = test_result.test WHERE run = ? ORDER BY outcome DESC, id`;

/** The selected runs. Numbers grow with time, so the first one stands for `since`. */
const RUNS = `WITH first AS (SELECT coalesce(min(number), 9e15) AS number FROM test_run WHERE at >= $since),
  run AS MATERIALIZED (SELECT test_run.* FROM test_run, first WHERE test_run.number >= first.number
    AND ($job IS NULL OR name = $job) AND ($project IS NULL OR project = $project)
    AND ($branch IS NULL OR branch = $branch))`;

/** A run that skipped the test, or did not have it, neither ends nor continues a series of failures. */
const FAILING = `${RUNS},
  newest AS (SELECT max(number) AS number FROM run GROUP BY name, project, branch),
  failing AS (SELECT run.*, result.test, result.error, result.fingerprint, coalesce((
      SELECT older.number FROM test_run AS older
      JOIN test_result AS good ON good.run = older.number AND good.test = result.test AND good.outcome = 0
      WHERE older.name = run.name AND older.project = run.project AND older.branch = run.branch
      ORDER BY older.number DESC LIMIT 1), 0) AS passed_in
    FROM newest JOIN run ON run.number = newest.number
    JOIN test_result AS result ON result.run = run.number AND result.outcome = 2),
  series AS (SELECT failing.number, failing.test, min(older.number) AS first, count(*) AS runs,
      count(DISTINCT older.change) AS changes
    FROM failing JOIN test_result AS bad ON bad.test = failing.test AND bad.outcome = 2 AND bad.run > failing.passed_in
    JOIN test_run AS older ON older.number = bad.run AND older.name = failing.name
      AND older.project = failing.project AND older.branch = failing.branch
    JOIN first ON older.number >= first.number
    GROUP BY failing.number, failing.test)
  SELECT test.id, failing.*, runs, changes, begin.job AS firstJob, begin.change AS firstChange,
    begin.patchset AS firstPatchset, begin.at AS firstAt
  FROM series JOIN failing ON failing.number = series.number AND failing.test = series.test
  JOIN test_run AS begin ON begin.number = series.first
  JOIN test ON test.number = series.test
  ORDER BY begin.number, failing.name, failing.project, failing.branch, test.id LIMIT $limit`;

/** Only changes with a failure are looked at, until it is known which tests are flaky: few of them are. */
const FLAKY = `${RUNS},
  suspect AS (SELECT DISTINCT run.name, run.change, bad.test FROM test_result AS bad JOIN run ON run.number = bad.run
    WHERE bad.outcome = 2),
  of_patchset AS (SELECT suspect.name, suspect.test, run.change, sum(outcome = 2) AS bad, sum(outcome = 0) AS good,
      max(CASE outcome WHEN 2 THEN run.number END) AS newest
    FROM suspect JOIN run ON run.name = suspect.name AND run.change = suspect.change
    JOIN test_result AS result ON result.run = run.number AND result.test = suspect.test
    GROUP BY suspect.name, suspect.test, run.change, run.patchset),
  of_change AS (SELECT name, test, sum(bad) AS bad, max(newest) AS newest, max(bad > 0 AND good > 0) AS both
    FROM of_patchset GROUP BY name, test, change HAVING sum(good) > 0),
  flaky AS MATERIALIZED (SELECT name, test, sum(bad) AS failures, count(*) AS changes, max(both) AS both,
      max(newest) AS newest
    FROM of_change GROUP BY name, test HAVING count(*) > 1 OR max(both)),
  counted AS (SELECT flaky.*, (SELECT count(*) FROM run JOIN test_result AS result ON result.run = run.number
      WHERE run.name = flaky.name AND result.test = flaky.test AND result.outcome <> 1) AS runs FROM flaky)
  SELECT test.id, counted.name, failures, runs, changes, both, run.job, run.change, run.patchset, run.at
  FROM counted JOIN run ON run.number = counted.newest JOIN test ON test.number = counted.test
  ORDER BY 1.0 * failures / runs DESC, failures DESC, counted.name, test.id LIMIT $limit`;

/** Runs of each job that `SLOWEST` sorts: enough for a percentile, and a second at most. */
const MAX_TIMED_RUNS = 200;

/** The nearest rank: the value of a run, never between two. */
const SLOWEST = `${RUNS},
  timed AS (SELECT * FROM (SELECT number, name, row_number() OVER (PARTITION BY name ORDER BY number DESC) AS age FROM run)
    WHERE age <= ${MAX_TIMED_RUNS}),
  ranked AS (SELECT timed.name, result.test, duration_ms AS ms, row_number() OVER sorted AS rank,
      count(*) OVER (sorted ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS runs
    FROM timed JOIN test_result AS result ON result.run = timed.number
    WHERE outcome = 0 AND duration_ms IS NOT NULL
    WINDOW sorted AS (PARTITION BY timed.name, result.test ORDER BY duration_ms)),
  slow AS (SELECT name, test, max(runs) AS runs, max(CASE WHEN rank = (runs + 1) / 2 THEN ms END) AS medianMs,
      max(CASE WHEN rank = (9 * runs + 9) / 10 THEN ms END) AS p90Ms
    FROM ranked GROUP BY name, test ORDER BY medianMs DESC, name, test LIMIT $limit)
  SELECT test.id, slow.name, runs, medianMs, p90Ms FROM slow JOIN test ON test.number = slow.test
  ORDER BY medianMs DESC, slow.name, test.id`;

export function readTestRun(database: Database, job: string): TestRun | null {
  const row = prepared(database, NEWEST_RUN).get(job) as SqlRow | undefined;
  if (row === undefined) return null;
  const rows = prepared(database, TESTS_OF_RUN).all(row.number) as SqlRow[];
  const [passed, failed, skipped] = [Number(row.passed), Number(row.failed), Number(row.skipped)];
  return {
    ...refOf(row),
    attempt: Number(row.attempt),
    ...{ passed, failed, skipped, dropped: passed + failed + skipped - Number(row.stored) },
    problem: textOf(row.problem),
    tests: rows.map((test) => ({
      ...(test as unknown as StoredTest),
      outcome: OUTCOMES[Number(test.outcome)] ?? 'failed',
    })),
  };
}

export function readFailingTests(database: Database, query: TestQuery): readonly FailingTest[] {
  return select(database, FAILING, query).map((row) => ({
    id: String(row.id),
    name: String(row.name),
    project: String(row.project),
    branch: String(row.branch),
    error: textOf(row.error),
    fingerprint: textOf(row.fingerprint),
    newest: refOf(row),
    first: {
      job: String(row.firstJob),
      change: Number(row.firstChange),
      patchset: Number(row.firstPatchset),
      at: Number(row.firstAt),
    },
    runs: Number(row.runs),
    changes: Number(row.changes),
  }));
}

export function readFlakyTests(database: Database, query: TestQuery): readonly FlakyTest[] {
  return select(database, FLAKY, query).map((row) => ({
    id: String(row.id),
    name: String(row.name),
    failures: Number(row.failures),
    runs: Number(row.runs),
    changes: Number(row.changes),
    samePatchset: row.both === 1,
    newest: refOf(row),
  }));
}

export function readSlowestTests(database: Database, query: TestQuery): readonly SlowTest[] {
  return select(database, SLOWEST, query) as unknown as SlowTest[];
}

function select(database: Database, sql: string, query: TestQuery): readonly SqlRow[] {
  const { since = 0, job = null, project = null, branch = null, limit } = query;
  return prepared(database, sql).all({ since, job, project, branch, limit }) as SqlRow[];
}

function refOf(row: SqlRow): RunRef {
  return {
    job: String(row.job),
    change: Number(row.change),
    patchset: Number(row.patchset),
    at: Number(row.at),
  };
}

function textOf(value: unknown): string | null {
  return value === null ? null : String(value);
}
