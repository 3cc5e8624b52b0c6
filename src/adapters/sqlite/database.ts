/**
 * Opens SQLite the one way that keeps our promises: WAL with synchronous=FULL, asserted and not assumed, on a bundled
 * library that is new enough. better-sqlite3 itself sets synchronous=NORMAL in WAL mode, which may lose the last commits.
 */
import { statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { StoreUnavailable } from '../../engine/ports/store.ts';
import { errorText, OperationError } from '../../errors.ts';
import { keep, prepared, readPragma } from './statements.ts';

export type Database = Sqlite.Database;

/** Before this version a rare bug in the reset of the WAL could lose commits (https://sqlite.org/wal.html#walresetbug). */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** How long a statement waits for another connection's lock; the engine tries again later. */
const BUSY_TIMEOUT_MS = 1000;
/**
 * Pages that a connection keeps in memory, in KiB. better-sqlite3 allows 16 MB, which a daemon fills within some hundred
 * jobs and never gives back. An append needs the newest pages alone.
 */
const CACHE_KIB = 4096;
/** A WAL that never has to grow while work goes on makes each commit one write and one sync. */
const WAL_BYTES = 4 * 1024 * 1024;

export function openWritable(file: string): Database {
  const database = connect(file, false);
  try {
    database.exec('PRAGMA journal_mode = WAL');
    // Else one that grew once, while somebody read for long, stays large forever.
    database.exec(`PRAGMA journal_size_limit = ${2 * WAL_BYTES}`);
    database.exec('PRAGMA synchronous = FULL');
    assertPragmas(database, file);
  } catch (thrown) {
    database.close();
    throw asOperationError('open database', file, thrown);
  }
  return database;
}

/** A connection that cannot write, for people's questions beside a running daemon. */
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

/** From here on this connection sees the database as it is now, until it is closed. */
export function beginSnapshot(database: Database): void {
  database.exec('BEGIN');
  // A transaction begins with its first read.
  prepared(database, 'SELECT count(*) FROM sqlite_schema').get();
}

/** Grows a young WAL once, so that the first appends cost what all later ones do. Needs the table `meta`. */
export function growWal(database: Database): void {
  if (database.memory || walBytes(database.name) >= WAL_BYTES) return;
  prepared(database, "INSERT OR REPLACE INTO meta VALUES ('padding', hex(zeroblob(?)))").run(WAL_BYTES / 2);
  prepared(database, "DELETE FROM meta WHERE key = 'padding'").run();
  database.exec('PRAGMA wal_checkpoint(RESTART)');
}

/** What a failing statement means for its caller: worth another try, or a broken invariant that is passed on as it is. */
export function translate(thrown: unknown): unknown {
  if (!(thrown instanceof Sqlite.SqliteError)) return thrown;
  const { code } = thrown;
  if (code === 'SQLITE_FULL') {
    return new StoreUnavailable(`${code}: ${thrown.message}`, 'make room on the disk of stateDir', thrown);
  }
  if (code.startsWith('SQLITE_IOERR')) {
    const hint = 'is the disk of stateDir full, or failing? the kernel log says more';
    return new StoreUnavailable(`${code}: ${thrown.message}`, hint, thrown);
  }
  if (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_LOCKED') {
    return new StoreUnavailable(
      `${code}: ${thrown.message}`,
      'another program holds the database; end it',
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
      : 'is this a sos-ci database? restore a backup, or move the file away to begin again';
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
    const database = keep(new Sqlite(file, { readonly, fileMustExist: readonly, timeout: BUSY_TIMEOUT_MS }));
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
