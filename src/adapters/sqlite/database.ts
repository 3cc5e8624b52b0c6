/**
 * Opens SQLite with the durability that the port guarantees: WAL with synchronous=FULL, verified after opening, on a
 * bundled library that is new enough. better-sqlite3 itself sets synchronous=NORMAL in WAL mode, which may lose the
 * last commits.
 */
import { statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { StoreUnavailable } from '../../engine/ports/store.ts';
import { errorText, OperationError } from '../../errors.ts';
import { openConnection, prepared, readPragma } from './statements.ts';

export type Database = Sqlite.Database;

/**
 * Older versions have a rare bug in the reset of the WAL that can lose commits
 * (https://sqlite.org/wal.html#walresetbug).
 */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** How long a statement waits for another connection's lock; the engine retries later. */
const BUSY_TIMEOUT_MS = 1000;
/**
 * A connection's page cache in KiB. better-sqlite3 allows 16 MB, which a daemon fills within a few hundred jobs and
 * never frees. An append needs only the newest pages.
 */
const CACHE_KIB = 4096;
/** Initial size of the WAL. While the WAL does not grow, each commit is one write and one sync. */
const WAL_BYTES = 4 * 1024 * 1024;

export function openWritable(file: string): Database {
  const database = connect(file, false);
  try {
    database.exec('PRAGMA journal_mode = WAL');
    // Without a limit, a WAL that grew once during a long read stays large forever.
    database.exec(`PRAGMA journal_size_limit = ${2 * WAL_BYTES}`);
    database.exec('PRAGMA synchronous = FULL');
    assertPragmas(database, file);
  } catch (thrown) {
    database.close();
    throw asOperationError('open database', file, thrown);
  }
  return database;
}

/** A read-only connection, for queries beside a running daemon. */
export function openReadOnly(file: string): Database {
  const database = connect(file, true);
  try {
    database.exec('PRAGMA query_only = ON');
    database.exec('PRAGMA synchronous = FULL');
    prepared(database, 'SELECT count(*) FROM sqlite_schema').get();
  } catch (thrown) {
    database.close();
    throw asOperationError('read database', file, thrown);
  }
  return database;
}

/** From now until it is closed, this connection reads the database's current state. */
export function beginSnapshot(database: Database): void {
  database.exec('BEGIN');
  // SQLite starts the read transaction with its first read.
  prepared(database, 'SELECT count(*) FROM sqlite_schema').get();
}

/** Grows a small WAL once, so the first appends cost the same as later ones. Needs the table `meta`. */
export function growWal(database: Database): void {
  if (database.memory || walBytes(database.name) >= WAL_BYTES) return;
  prepared(database, "INSERT OR REPLACE INTO meta VALUES ('padding', hex(zeroblob(?)))").run(WAL_BYTES / 2);
  prepared(database, "DELETE FROM meta WHERE key = 'padding'").run();
  database.exec('PRAGMA wal_checkpoint(RESTART)');
}

/** Translates a statement's error for its caller: StoreUnavailable when a retry can succeed, else unchanged. */
export function translate(thrown: unknown): unknown {
  if (!(thrown instanceof Sqlite.SqliteError)) return thrown;
  const { code } = thrown;
  if (code === 'SQLITE_FULL') {
    return new StoreUnavailable(`${code}: ${thrown.message}`, 'free space on the disk of stateDir', thrown);
  }
  if (code.startsWith('SQLITE_IOERR')) {
    const hint = 'check the kernel log and the free space: the disk of stateDir may be full or failing';
    return new StoreUnavailable(`${code}: ${thrown.message}`, hint, thrown);
  }
  if (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_LOCKED') {
    return new StoreUnavailable(
      `${code}: ${thrown.message}`,
      'another program locks the database: stop it',
      thrown,
    );
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')) {
    return new StoreUnavailable(
      `${code}: ${thrown.message}`,
      'make stateDir and the database writable',
      thrown,
    );
  }
  return thrown;
}

export function asOperationError(operation: string, file: string, thrown: unknown): OperationError {
  if (thrown instanceof OperationError) return thrown;
  const translated = translate(thrown);
  const hint =
    translated instanceof StoreUnavailable
      ? translated.hint
      : 'check that this is a sos-ci database; restore a backup, or move the file away to start with a new one';
  return new OperationError({
    operation,
    target: file,
    message: errorText(thrown),
    retryable: translated instanceof StoreUnavailable,
    hint,
    cause: thrown,
  });
}

function connect(file: string, readonly: boolean): Database {
  try {
    const database = openConnection(file, { readonly, fileMustExist: readonly, timeout: BUSY_TIMEOUT_MS });
    assertVersion(database);
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    return database;
  } catch (thrown) {
    if (thrown instanceof OperationError) throw thrown;
    if (thrown instanceof Sqlite.SqliteError && thrown.code === 'SQLITE_NOTADB') {
      throw asOperationError('open database', file, thrown);
    }
    throw new OperationError({
      operation: readonly ? 'read database' : 'open database',
      target: file,
      message: errorText(thrown),
      retryable: false,
      hint: readonly
        ? 'start `sos-ci daemon` once, or check stateDir'
        : 'check that stateDir exists and is writable',
      cause: thrown,
    });
  }
}

function assertVersion(database: Database): void {
  const row = prepared(database, 'SELECT sqlite_version() AS version').get() as { version: string };
  const parts = row.version.split('.').map(Number);
  for (const [index, oldest] of OLDEST_SQLITE.entries()) {
    const part = parts[index] ?? 0;
    if (part > oldest) return;
    if (part === oldest) continue;
    database.close();
    throw new OperationError({
      operation: 'open database',
      target: `SQLite ${row.version}`,
      message: `SQLite ${row.version} is older than ${OLDEST_SQLITE.join('.')}, which may lose commits`,
      retryable: false,
      hint: 'reinstall better-sqlite3 as package-lock.json pins it: npm ci',
    });
  }
}

function assertPragmas(database: Database, file: string): void {
  const journal = readPragma(database, 'journal_mode');
  const synchronous = readPragma(database, 'synchronous');
  const inMemory = database.memory && journal === 'memory';
  if ((journal === 'wal' || inMemory) && synchronous === 2) return;
  throw new OperationError({
    operation: 'open database',
    target: file,
    message: `journal_mode is ${String(journal)} and synchronous ${String(synchronous)}; wal and 2 (FULL) are needed`,
    retryable: false,
    hint: 'keep stateDir on a local file system: WAL does not work over a network',
  });
}

function walBytes(file: string): number {
  return statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
