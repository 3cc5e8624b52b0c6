/** The audit finds any external change to the rows of the log, and no view is built from such rows. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openSnapshot } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { type LogReport, rebuild, verifyLog } from '../../../src/engine/operations/verify-log.ts';
import { sha256 } from '../../machines/simulator.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { comment, created, FIRST } from '../../scenarios/gerrit-events.ts';

const JOB = 'j00002';
let original: string;
let directory: string;
let file: string;

/** Two changes with one job each, and a recheck of one. */
beforeAll(async () => {
  original = mkdtempSync(join(tmpdir(), 'sos-ci-audit-'));
  const ci = new CiHarness({ store: openStore(join(original, 'sos-ci.db')) });
  await ci.start();
  ci.emit(created(FIRST));
  ci.emit(created(FIRST + 1));
  await ci.run();
  ci.emit(comment('recheck'));
  await ci.run();
  ci.store.close();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-audit-'));
  file = join(directory, 'sos-ci.db');
  copyFileSync(join(original, 'sos-ci.db'), file);
});
afterEach(() => rmSync(directory, { recursive: true }));
afterAll(() => rmSync(original, { recursive: true }));

function alter(sql: string): void {
  const database = new Sqlite(file);
  database.exec('DROP TRIGGER event_rows_stay; DROP TRIGGER event_rows_never_change;');
  database.exec(sql);
  database.close();
}

function audit(): LogReport {
  const [reader, scratch] = [openSnapshot(file), openStore(':memory:')];
  try {
    return verifyLog(reader, scratch, sha256);
  } finally {
    scratch.close();
    reader.close();
  }
}

test('untouched rows are valid, and rebuilt views are equal', () => {
  const report = audit();
  expect(report).toMatchObject({ histories: 10, differences: [], views: [] });
  const store = openStore(file);
  const before = [...store.views()];
  expect(rebuild(store, sha256)).toBe(report.rows);
  expect([...store.views()]).toEqual(before);
  store.close();
});

const VIEWS_OF_JOB = `DELETE FROM history_view WHERE history = '${JOB}'; DELETE FROM job_view WHERE id = '${JOB}';
  UPDATE day_view SET jobs = jobs - 1;`;

test.each([
  ['a first row is gone', `DELETE FROM event WHERE history = '${JOB}' AND version = 1`, 'event'],
  ['a history is gone', `DELETE FROM event WHERE history = '${JOB}'`, 'seq'],
  ['a history and its views are gone', `DELETE FROM event WHERE history = '${JOB}'; ${VIEWS_OF_JOB}`, 'seq'],
  ['a row in the middle is gone', `DELETE FROM event WHERE history = '${JOB}' AND version = 3`, 'version'],
  [
    'a row has another number',
    'UPDATE event SET seq = seq + 9 WHERE seq = (SELECT max(seq) FROM event)',
    'seq',
  ],
  ['a time was altered', `UPDATE event SET at = at + 1 WHERE history = '${JOB}' AND version = 3`, 'effects'],
  [
    'a cause was altered',
    `UPDATE event SET causation_id = 'r1/1' WHERE history = '${JOB}' AND version = 2`,
    'hash',
  ],
  ['a row is not JSON', `UPDATE event SET data = '{' WHERE history = '${JOB}' AND version = 2`, 'data'],
  [
    'effects are not JSON',
    `UPDATE event SET effects = '[' WHERE history = '${JOB}' AND version = 4`,
    'effects',
  ],
])('%s', (_, sql, field) => {
  alter(sql);
  expect(audit().differences).toMatchObject([{ field }]);
});

test.each(['data', 'effects'])(
  'a row whose %s is not JSON is named, and no view is built from it',
  (field) => {
    alter(`UPDATE event SET ${field} = '{' WHERE history = '${JOB}' AND version = 4`);
    expect(audit().differences).toMatchObject([{ history: JOB, version: 4, field }]);
    const store = openStore(file);
    expect(() => rebuild(store, sha256)).toThrow('the log is damaged here');
    store.close();
  },
);

test('missing or changed triggers are named', () => {
  expect(audit().schema).toEqual([]);
  const database = new Sqlite(file);
  database.exec('DROP TRIGGER event_rows_stay; DROP TRIGGER event_rows_never_change;');
  database.exec('CREATE TRIGGER event_rows_never_change BEFORE UPDATE ON event BEGIN SELECT 1; END');
  database.close();
  expect(audit()).toMatchObject({
    differences: [],
    schema: [
      '+ trigger event_rows_never_change',
      '- trigger event_rows_never_change',
      '- trigger event_rows_stay',
    ],
  });
});

test('no views are built from a log that lost rows', () => {
  alter(`DELETE FROM event WHERE history = '${JOB}'`);
  const store = openStore(file);
  const before = [...store.views()];
  expect(() => rebuild(store, sha256)).toThrow('the log is damaged here');
  expect([...store.views()]).toEqual(before);
  store.close();
});

test('differing views are shown, surplus lines first', () => {
  alter(`UPDATE job_view SET verdict = 'FAILURE' WHERE id = '${JOB}'`);
  const { differences, views } = audit();
  expect(differences).toEqual([]);
  expect(views).toMatchObject([
    expect.stringMatching(/^\+ job_view .*FAILURE/),
    expect.stringMatching(/^- job_view .*SUCCESS/),
  ]);
});
