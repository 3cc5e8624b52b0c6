/** The contract of test results on SQLite, and the limits of its tables. */
import Sqlite from 'better-sqlite3';
import { expect, test } from 'vitest';
import { migrate } from '../../../src/adapters/sqlite/migrate.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { TestTables } from '../../../src/adapters/sqlite/test-tables.ts';
import { storeTestsContract, testResults } from '../../contracts/store-tests.ts';
import { addJobs } from './rig.ts';

storeTestsContract('SQLite :memory:', () => openStore(':memory:'));

/** Tables with small limits, and jobs without a log. */
function tables() {
  const database = new Sqlite(':memory:');
  migrate(database);
  const all = (sql: string) => database.prepare(sql).all() as readonly Record<string, unknown>[];
  const written = new TestTables(database, { tests: 3, results: 7 });
  const record = (job: string, text: string, attempt = 1) => {
    database.prepare('DELETE FROM job_view WHERE id = ?').run(job);
    database
      .prepare(`INSERT INTO job_view VALUES (?, 'r', 'dsvm', 'check', 'p', 'master', 1, 1, '', '', 'local', 'testing',
        0, 0, 0, 0, ?, NULL, '', NULL, 0, 0, NULL)`)
      .run(job, attempt);
    written.record(job, { tests: testResults(text), problem: null }, 1);
  };
  const ids = () => all('SELECT id FROM test ORDER BY id').map(({ id }) => id);
  return { all, written, record, ids, close: () => database.close() };
}

test('a run stores its failed tests first, up to the limit, and counts all', () => {
  const { all, record, ids, close } = tables();
  record('j1', 'a+ b+ c~ d- e-');
  expect(ids()).toEqual(['a', 'd', 'e']);
  expect(all('SELECT passed, failed, skipped, stored FROM test_run')).toEqual([
    { passed: 2, failed: 2, skipped: 1, stored: 3 },
  ]);
  close();
});

test('the oldest runs leave when there are too many results, with the names that no run has any more', () => {
  const { all, record, ids, close } = tables();
  record('j1', 'old+ a+ b+');
  record('j2', 'a+ b+ c+');
  record('j3', 'a- d+');
  expect(all('SELECT job FROM test_run ORDER BY number')).toEqual([{ job: 'j2' }, { job: 'j3' }]);
  expect(all('SELECT count(*) AS results FROM test_result')).toEqual([{ results: 5 }]);
  expect(ids()).toEqual(['a', 'b', 'c', 'd']);
  close();
});

test('each attempt has its own results, and all leave with their job', () => {
  const { all, written, record, ids, close } = tables();
  record('j1', 'a- b+');
  record('j1', 'a+', 2);
  record('j2', 'c+');
  expect(all("SELECT attempt FROM test_run WHERE job = 'j1' ORDER BY attempt")).toHaveLength(2);
  written.dropJobs(['j1', 'unknown']);
  expect(all('SELECT job FROM test_run')).toEqual([{ job: 'j2' }]);
  expect(ids()).toEqual(['c']);
  expect(all('SELECT count(*) AS results FROM test_result')).toEqual([{ results: 1 }]);
  close();
});

test('results that cannot be written are lost, and the caller does not fail', async () => {
  const store = openStore(':memory:');
  await addJobs(store, 1);
  const { database } = store as unknown as { readonly database: Sqlite.Database };
  database.exec('PRAGMA query_only = ON');
  store.recordTests('j0', { tests: testResults('a+'), problem: null }, 1);
  database.exec('PRAGMA query_only = OFF');
  expect(store.testRun('j0')).toBeNull();
  store.recordTests('j0', { tests: testResults('a+'), problem: null }, 1);
  expect(store.testRun('j0')).toMatchObject({ passed: 1 });
  store.close();
});
