/**
 * Copies a complete live database while a daemon writes to it (https://sqlite.org/backup.html), and marks the copy as a
 * backup.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { OperationError } from '../../errors.ts';
import { asOperationError, beginSnapshot, openReadOnly } from './database.ts';
import { markBackup } from './database-identity.ts';
import { assertCurrent } from './migrate.ts';

/**
 * @param onProgress called with the remaining and total number of pages, for long copies
 * @throws OperationError; a failed copy leaves nothing at `target`
 */
export async function backupStore(
  file: string,
  target: string,
  onProgress: (left: number, total: number) => void,
): Promise<void> {
  if (existsSync(target)) throw exists(target);
  const temporary = `${target}.part`;
  const database = openReadOnly(file);
  try {
    assertCurrent(database);
    makePrivate(temporary);
    // Without a snapshot, each write of the daemon would restart the copy, and under load it would never end.
    beginSnapshot(database);
    await database.backup(temporary, {
      progress: ({ remainingPages, totalPages }) => {
        onProgress(remainingPages, totalPages);
        return 1000;
      },
    });
    markBackup(temporary);
    sync(temporary);
    if (existsSync(target)) throw exists(target);
    renameSync(temporary, target);
    sync(dirname(target));
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw asOperationError('back up database', target, thrown);
  } finally {
    database.close();
  }
}

/** Creates the file with owner-only permissions, because SQLite would use the umask. */
function makePrivate(path: string): void {
  rmSync(path, { force: true });
  closeSync(openSync(path, 'wx', 0o600));
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function exists(target: string): OperationError {
  return new OperationError({
    operation: 'back up database',
    target,
    message: 'the file exists; a backup never overwrites one',
    retryable: false,
    hint: 'use another file name, or move this file away',
  });
}
