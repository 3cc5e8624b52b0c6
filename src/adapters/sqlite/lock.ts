/**
 * Allows one daemon per database. The lock is SQLite's own on a file beside the database, acquired in one step and held
 * until `release`. Of several starting daemons exactly one gets it, and the kernel releases it however its holder dies.
 * A second file names the holder: it is only displayed, never trusted.
 */
import { readFileSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { errorText, OperationError } from '../../errors.ts';
import { writeAtomicallySync } from '../run/atomic-file.ts';
import { openConnection } from './statements.ts';

/** Another live process holds the lock. */
export class LockHeld extends OperationError {}

interface Holder {
  readonly pid: number;
  /** From `processStartTicks`: distinguishes the holder from a process that reuses its pid. */
  readonly startTicks: number;
  /** Epoch ms. */
  readonly startedAt: number;
}

export interface Lock {
  release(): void;
}

/** Locks of this process. References here keep the garbage collector from releasing them. */
const held = new Set<Sqlite.Database>();

/** @throws OperationError when another live process holds it, with its pid and start time */
export function takeLock(file: string, now: number): Lock {
  const database = open(file);
  try {
    // This transaction never writes: a commit could conflict with a reader, and would briefly release the lock.
    database.exec('BEGIN IMMEDIATE');
    writeHolder(file, {
      pid: process.pid,
      startTicks: processStartTicks(process.pid),
      startedAt: now,
    });
  } catch (thrown) {
    database.close();
    throw refusal(file, readHolder(file), thrown);
  }
  held.add(database);
  return {
    release: () => {
      held.delete(database);
      database.close();
    },
  };
}

/** Kernel start time of a process in clock ticks since boot (proc(5), stat field 22); 0 when it is not running. */
export function processStartTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in field 2 may contain any character, so fields are counted after its closing parenthesis.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return 0;
  }
}

function open(file: string): Sqlite.Database {
  try {
    return openConnection(file, { timeout: 0 });
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

function writeHolder(file: string, holder: Holder): void {
  writeAtomicallySync(
    `${file}.holder`,
    () => `${JSON.stringify(holder)}
`,
  );
}

/** Null when the file still names a dead process: the new holder is about to replace it. */
function readHolder(file: string): Holder | null {
  try {
    const holder = JSON.parse(readFileSync(`${file}.holder`, 'utf8')) as Holder;
    return processStartTicks(holder.pid) === holder.startTicks ? holder : null;
  } catch {
    return null;
  }
}

function refusal(file: string, holder: Holder | null, thrown: unknown): OperationError {
  const held = thrown instanceof Sqlite.SqliteError && thrown.code.startsWith('SQLITE_BUSY');
  const who =
    holder === null ? '' : `: pid ${holder.pid}, started ${new Date(holder.startedAt).toISOString()}`;
  const fields = { operation: 'lock database', target: file, retryable: false, cause: thrown };
  if (!held)
    return new OperationError({
      ...fields,
      message: errorText(thrown),
      hint: 'check that stateDir is writable and its disk not full',
    });
  return new LockHeld({
    ...fields,
    message: `another daemon is running on this database${who}`,
    hint: `stop it first${holder === null ? '' : `: kill ${holder.pid}`}, or give the new daemon its own stateDir`,
  });
}
