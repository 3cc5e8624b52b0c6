/** A database is migrated to this program's schema, once, and never by an older program. */
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openReadOnly, openWritable } from '../../../src/adapters/sqlite/database.ts';
import { assertCurrent, migrate } from '../../../src/adapters/sqlite/migrate.ts';
import { openReader } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { ROOT } from '../../house/source.ts';
import { addJobs, type Scratch, scratch } from './rig.ts';

const NEWEST = readdirSync(join(ROOT, 'migrations')).length;
let directory: Scratch;
let file: string;

beforeEach(() => {
  directory = scratch();
  file = join(directory.path, 'sos-ci.db');
});
afterEach(() => directory.remove());

const versionOf = (path: string) => {
  const database = openReadOnly(path);
  const version = database.pragma('user_version', { simple: true });
  database.close();
  return version;
};

test('migrates a new database to the current schema', () => {
  openStore(file).close();
  expect(versionOf(file)).toBe(NEWEST);
});

test('does not change an up-to-date database', async () => {
  const store = openStore(file);
  await addJobs(store, 1);
  const rows = [...store.log()];
  store.close();
  const again = openStore(file);
  expect([...again.log()]).toEqual(rows);
  again.close();
  expect(versionOf(file)).toBe(NEWEST);
});

/** The migrations of a later program: this program's, and these. */
function later(...extra: readonly string[]): string {
  const migrations = join(directory.path, 'migrations');
  cpSync(join(ROOT, 'migrations'), migrations, { recursive: true });
  extra.forEach((sql, index) => {
    writeFileSync(join(migrations, `000${NEWEST + index + 1}_more.sql`), sql);
  });
  return migrations;
}

test('applies the missing migrations to an older database, in order', () => {
  const database = openWritable(file);
  migrate(database);
  const migrations = later(
    'CREATE TABLE one (a INTEGER) STRICT',
    'ALTER TABLE one ADD COLUMN b INTEGER',
    'CREATE INDEX two ON one (b)',
  );
  expect(() => assertCurrent(database, migrations)).toThrow(
    `its schema is ${NEWEST}, this program's is ${NEWEST + 3}`,
  );
  migrate(database, migrations);
  expect(() => assertCurrent(database, migrations)).not.toThrow();
  expect(database.prepare("SELECT name FROM pragma_table_info('one')").pluck().all()).toEqual(['a', 'b']);
  database.close();
});

test('refuses a newer database with both versions, for the daemon and for readers', () => {
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
  migrate(database);
  const migrations = later(
    'CREATE TABLE one (a INTEGER) STRICT',
    'CREATE TABLE two (a INTEGER) STRICT; SELECT nothing',
  );
  expect(() => migrate(database, migrations)).toThrow(
    expect.objectContaining({ name: 'OperationError', operation: `migrate to 000${NEWEST + 2}_more.sql` }),
  );
  expect(database.pragma('user_version', { simple: true })).toBe(NEWEST + 1);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE name IN ('one', 'two')").pluck();
  expect(tables.all()).toEqual(['one']);
  database.close();
});

test('readers never migrate', () => {
  const database = openWritable(file);
  database.close();
  expect(() => openReader(file)).toThrow('this is not a sos-ci database');
  expect(versionOf(file)).toBe(0);
});
