/**
 * Database commands without a daemon: verify, rebuild, confirm and backup. A separate composition root, so that these
 * commands load neither Gerrit nor providers.
 */
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { archiveChecksum, archiveFileName, archiveNumbers } from '../adapters/history-archive/files.ts';
import { backupStore } from '../adapters/sqlite/backup.ts';
import { confirmIdentity } from '../adapters/sqlite/database-identity.ts';
import { takeLock } from '../adapters/sqlite/lock.ts';
import { openSnapshot } from '../adapters/sqlite/reader.ts';
import { openStore } from '../adapters/sqlite/store.ts';
import { type LogReport, rebuild, verifyLog } from '../engine/operations/verify-log.ts';

export const databaseFile = (stateDir: string): string => join(stateDir, 'sos-ci.db');
export const archiveDirectory = (stateDir: string): string => join(stateDir, 'archive');
export const lockFile = (stateDir: string): string => join(stateDir, 'daemon.lock');

export function sha256(text: string): string {
  return hash('sha256', text, 'hex');
}

/** Checks hash chains, strict replay, archive files, and views against the log. Works beside a running daemon. @throws OperationError */
export async function verifyDatabase(stateDir: string): Promise<LogReport> {
  const reader = openSnapshot(databaseFile(stateDir));
  const scratch = openStore(':memory:');
  try {
    return verifyLog(reader, scratch, sha256, await archiveChecksums(stateDir));
  } finally {
    scratch.close();
    reader.close();
  }
}

/** Rebuilds all views from the log; returns the number of rows. The daemon must be stopped. @throws OperationError */
export function rebuildDatabase(stateDir: string): number {
  return withLock(stateDir, () => {
    const store = openStore(databaseFile(stateDir));
    try {
      return rebuild(store, sha256);
    } finally {
      store.close();
    }
  });
}

/** Accepts a restored or copied database as the one in use. The daemon must be stopped. @throws OperationError */
export function confirmDatabase(stateDir: string): void {
  withLock(stateDir, () => confirmIdentity(databaseFile(stateDir)));
}

/** Copies a live database to a file that must not exist. @throws OperationError */
export function backupDatabase(
  stateDir: string,
  target: string,
  onProgress: (left: number, total: number) => void,
): Promise<void> {
  return backupStore(databaseFile(stateDir), target, onProgress);
}

function withLock<T>(stateDir: string, work: () => T): T {
  const lock = takeLock(lockFile(stateDir), Date.now());
  try {
    return work();
  } finally {
    lock.release();
  }
}

/** Of the archive files that exist, by number. */
async function archiveChecksums(stateDir: string): Promise<ReadonlyMap<number, string>> {
  const directory = archiveDirectory(stateDir);
  const checksums = new Map<number, string>();
  for (const number of await archiveNumbers(directory)) {
    const checksum = await archiveChecksum(join(directory, archiveFileName(number)));
    if (checksum !== null) checksums.set(number, checksum);
  }
  return checksums;
}
