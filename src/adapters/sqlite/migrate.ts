/**
 * Migrates a database to this program's schema: numbered SQL files, forward only, each in its own transaction. A
 * database newer than the program is refused, because an old program could damage what it does not know.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperationError } from '../../errors.ts';
import { asOperationError, type Database } from './database.ts';
import { readPragma } from './statements.ts';

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/**
 * @param directory contains the migrations, NNNN_name.sql
 * @throws OperationError when the database is newer than the program, or a migration fails
 */
export function migrate(database: Database, directory = migrationsDirectory()): void {
  const migrations = readMigrations(directory);
  const newest = migrations.at(-1)?.version ?? 0;
  assertNotNewer(database, newest);
  for (const { version, name, sql } of migrations) {
    if (version <= schemaVersion(database)) continue;
    try {
      database.transaction(() => {
        database.exec(sql);
        database.exec(`PRAGMA user_version = ${version}`);
      })();
    } catch (thrown) {
      throw asOperationError(`migrate to ${name}`, database.name, thrown);
    }
  }
}

/** For readers, which may not migrate: the schema must match this program's. */
export function assertCurrent(database: Database, directory = migrationsDirectory()): void {
  const newest = readMigrations(directory).at(-1)?.version ?? 0;
  assertNotNewer(database, newest);
  const found = schemaVersion(database);
  if (found === newest) return;
  throw new OperationError({
    operation: 'read database',
    target: database.name,
    message:
      found === 0 ? 'this is not a sos-ci database' : `its schema is ${found}, this program's is ${newest}`,
    retryable: false,
    hint: found === 0 ? 'check stateDir' : 'start `sos-ci daemon` of this version once: it migrates',
  });
}

function assertNotNewer(database: Database, newest: number): void {
  const found = schemaVersion(database);
  if (found <= newest) return;
  throw new OperationError({
    operation: 'open database',
    target: database.name,
    message: `its schema is ${found}, newer than this program's ${newest}`,
    retryable: false,
    hint: 'use the newer sos-ci, or restore a backup that was made before the upgrade',
  });
}

function schemaVersion(database: Database): number {
  return Number(readPragma(database, 'user_version'));
}

function readMigrations(directory: string): readonly Migration[] {
  return readdirSync(directory)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort()
    .map((name) => ({
      version: Number(name.slice(0, 4)),
      name,
      sql: readFileSync(join(directory, name), 'utf8'),
    }));
}

/** The migrations directory beside package.json, which is above this file both in src and in dist. */
function migrationsDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'migrations', '0001_schema.sql'))) {
    const above = dirname(directory);
    if (above === directory) throw new Error('the directory migrations is missing from this installation');
    directory = above;
  }
  return join(directory, 'migrations');
}
