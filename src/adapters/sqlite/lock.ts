/**
 * One daemon for one database. The lock is SQLite's own on a file beside it, so the kernel releases it when its holder
 * dies, by whatever death; who holds it is written inside. A pid that the kernel has given to another process can not
 * fool it, because the pid is only shown, never trusted.
 */
import { readFileSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { errorText, OperationError } from '../../errors.ts';

export interface LockHolder {
  readonly pid: number;
  /** Epoch ms. */
  readonly startedAt: number;
}

export interface Lock {
  release(): void;
}

/** @throws OperationError when another live process holds it, with its pid and start time */
export function takeLock(file: string, now: number): Lock {
  const database = open(file);
  try {
    database.exec('BEGIN IMMEDIATE');
    database.exec(
      'CREATE TABLE IF NOT EXISTS holder (one INTEGER PRIMARY KEY, pid INTEGER, started_at INTEGER)',
    );
    database.prepare('INSERT OR REPLACE INTO holder VALUES (1, ?, ?)').run(process.pid, now);
    database.exec('COMMIT');
    // Held from here until the process ends; readers can still see the holder.
    database.exec('BEGIN IMMEDIATE');
  } catch (thrown) {
    const holder = readHolder(database);
    database.close();
    throw refusal(file, holder, thrown);
  }
  return { release: () => database.close() };
}

/** Kernel start time of a process in clock ticks since boot (proc(5), stat field 22); 0 when it is not running. */
export function processStartTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in field 2 may hold anything, so count from behind its closing bracket.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return 0;
  }
}

function open(file: string): Sqlite.Database {
  try {
    return new Sqlite(file, { timeout: 0 });
  } catch (thrown) {
    throw new OperationError({
      operation: 'lock database',
      target: file,
      message: errorText(thrown),
      retryable: false,
      hint: 'check that stateDir exists and is writable',
      cause: thrown,
    });
  }
}

function readHolder(database: Sqlite.Database): LockHolder | null {
  try {
    const row = database.prepare('SELECT pid, started_at FROM holder').get() as
      | { pid: number; started_at: number }
      | undefined;
    return row === undefined ? null : { pid: row.pid, startedAt: row.started_at };
  } catch {
    // The other one is between taking the lock and writing its name.
    return null;
  }
}

function refusal(file: string, holder: LockHolder | null, thrown: unknown): OperationError {
  const busy = thrown instanceof Sqlite.SqliteError && thrown.code.startsWith('SQLITE_BUSY');
  const who =
    holder === null ? '' : `: pid ${holder.pid}, started ${new Date(holder.startedAt).toISOString()}`;
  return new OperationError({
    operation: 'lock database',
    target: file,
    message: busy ? `another daemon runs on this database${who}` : errorText(thrown),
    retryable: false,
    hint: busy
      ? `stop it first${holder === null ? '' : `: kill ${holder.pid}`}, or give this one a stateDir of its own`
      : 'check that stateDir is writable and its disk not full',
    cause: thrown,
  });
}
