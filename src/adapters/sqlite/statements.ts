/**
 * Opens connections and caches prepared statements, one for each text and connection. On Node 24.19 and later they and
 * their connections are also kept for the life of the process: there a native object of better-sqlite3 12 that is
 * collected while no script runs aborts the process (the destructor of node::ObjectWrap needs an environment). Version
 * 13 fixes that but drops Node 20. So this code creates no temporary statements: no `pragma()`, no `iterate()`.
 */
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import Sqlite from 'better-sqlite3';
import { errorCode } from '../run/fs-error.ts';

/**
 * In dist/, better-sqlite3's JavaScript is bundled: finding its files took a tenth of a command's start. Without the path
 * it would look for this file beside them.
 */
const NATIVE_MODULE = 'better-sqlite3/build/Release/better_sqlite3.node';
const { resolve } = createRequire(import.meta.url);

type Database = Sqlite.Database;
type Statement = Sqlite.Statement<unknown[], unknown>;
interface Connections {
  get(database: Database): Map<string, Statement> | undefined;
  set(database: Database, statements: Map<string, Statement>): unknown;
}

const connections: Connections = collectingAborts() ? new Map() : new WeakMap();

/** The statement for this text: prepared once, and reset by SQLite after each use. */
export function prepared(database: Database, sql: string): Statement {
  const known = statementsOf(database).get(sql);
  if (known !== undefined) return known;
  const made = database.prepare<unknown[], unknown>(sql);
  statementsOf(database).set(sql, made);
  return made;
}

/** The pragma's current value. */
export function readPragma(database: Database, name: string): unknown {
  return Object.values(prepared(database, `PRAGMA ${name}`).get() as object)[0];
}

/** A file that is opened for writing is private, because the directory may be open to the account of jobs. */
export function openConnection(file: string, options: Sqlite.Options): Database {
  if (options.readonly !== true && file !== ':memory:') makePrivate(file);
  const database = new Sqlite(file, { ...options, nativeBinding: resolve(NATIVE_MODULE) });
  // It may never prepare a statement.
  statementsOf(database);
  return database;
}

/**
 * SQLite gives a new WAL and its index the mode of the database. An existing file is not opened here: closing it would
 * release the locks of this process's other connections to it.
 */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  for (const path of [file, `${file}-wal`, `${file}-shm`]) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile() && (found.mode & 0o077) !== 0) chmodSync(path, found.mode & 0o700);
  }
}

function statementsOf(database: Database): Map<string, Statement> {
  const known = connections.get(database);
  if (known !== undefined) return known;
  const made = new Map<string, Statement>();
  connections.set(database, made);
  return made;
}

function collectingAborts(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 19);
}
