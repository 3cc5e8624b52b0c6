/** A database is brought to this program's schema, once, and never by an older program. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openReadOnly, openWritable } from '../../../src/adapters/sqlite/database.ts';
import { assertCurrent, migrate } from '../../../src/adapters/sqlite/migrate.ts';
import { openReader } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { ROOT } from '../../house/source.ts';
import { grown, type Scratch, scratch } from './rig.ts';
import { takeBack } from './take-back.ts';

const NEWEST = readdirSync(join(ROOT, 'migrations')).length;
let folder: Scratch;
let file: string;

beforeEach(() => {
  folder = scratch();
  file = join(folder.path, 'sos-ci.db');
});
afterEach(() => folder.remove());

const versionOf = (path: string) => {
  const database = openReadOnly(path);
  const version = database.pragma('user_version', { simple: true });
  database.close();
  return version;
};

test('a fresh database gets everything', () => {
  openStore(file).close();
  expect(versionOf(file)).toBe(NEWEST);
});

test('one that is up to date is left as it is', async () => {
  const store = openStore(file);
  await grown(store, 1);
  const rows = [...store.log()];
  store.close();
  const again = openStore(file);
  expect([...again.log()]).toEqual(rows);
  again.close();
  expect(versionOf(file)).toBe(NEWEST);
});

test('one that stopped half-way is brought on from there', () => {
  const database = openWritable(file);
  migrate(database);
  const views = database.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").pluck().get();
  takeBack(database, 3);
  expect(() => assertCurrent(database)).toThrow(`its schema is 2, this program's is ${NEWEST}`);
  migrate(database);
  expect(() => assertCurrent(database)).not.toThrow();
  expect(database.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").pluck().get()).toBe(
    views,
  );
  database.close();
});

test('a newer one is refused, saying both versions, by the daemon and by readers', () => {
  openStore(file).close();
  const database = openWritable(file);
  database.pragma(`user_version = ${NEWEST + 1}`);
  database.close();
  const refusal = expect.objectContaining({
    name: 'OperationError',
    message: `its schema is ${NEWEST + 1}, newer than this program's ${NEWEST}`,
    hint: expect.stringContaining('newer sos-ci'),
  });
  expect(() => openStore(file)).toThrow(refusal);
  expect(() => openReader(file)).toThrow(refusal);
  expect(versionOf(file)).toBe(NEWEST + 1);
});

test('a migration that fails changes nothing', () => {
  const database = openWritable(file);
  database.exec('CREATE TABLE job_view (a)');
  expect(() => migrate(database)).toThrow(
    expect.objectContaining({ name: 'OperationError', operation: expect.stringContaining('0002_views') }),
  );
  expect(database.pragma('user_version', { simple: true })).toBe(1);
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .pluck();
  expect(tables.all()).toEqual(['event', 'job_view']);
  database.close();
});

test('readers never migrate', () => {
  const database = openWritable(file);
  database.close();
  expect(() => openReader(file)).toThrow('this is no sos-ci database');
  expect(versionOf(file)).toBe(0);
});
