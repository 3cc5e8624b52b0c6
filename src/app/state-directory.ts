/**
 * The daemon's state directory: the lock that allows one daemon, the database, and the record of the database's identity,
 * which detects an older copy.
 */
import { mkdirSync } from 'node:fs';
import { systemClock } from '../adapters/clock/system.ts';
import { type DatabaseIdentity, verifyIdentity } from '../adapters/sqlite/database-identity.ts';
import { type Lock, takeLock } from '../adapters/sqlite/lock.ts';
import { openStore } from '../adapters/sqlite/store.ts';
import type { Store } from '../engine/ports/store.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Alarm } from '../machines/model/alarm.ts';
import type { Wrappers } from './build-adapters.ts';
import { databaseFile, lockFile } from './database-admin.ts';

const IDENTITY_CHECK_MS = 60_000;

export class StateDirectory {
  readonly store: Store;
  private readonly lock: Lock;
  private readonly identity: DatabaseIdentity;
  private readonly log: Log;
  private readonly file: string;
  private missing: string | null = null;
  private cancelCheck: () => void = () => {};

  /** @throws OperationError when the lock is held, or the database is a copy, newer or damaged */
  constructor(stateDir: string, wrappers: Wrappers | null, log: Log) {
    this.log = log;
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    this.lock = takeLock(lockFile(stateDir), Date.now());
    this.file = databaseFile(stateDir);
    try {
      const { store, identity } = openVerified(this.file);
      this.identity = identity;
      this.store = wrappers === null ? store : wrappers.store(store);
    } catch (thrown) {
      this.lock.release();
      throw thrown;
    }
  }

  /** Checks the database file every minute, until `close`. */
  scheduleIdentityCheck(raise: (alarm: Alarm) => void): void {
    this.cancelCheck = systemClock.after(IDENTITY_CHECK_MS, () => {
      this.checkIdentity(raise);
      this.scheduleIdentityCheck(raise);
    });
  }

  /** Records the identity. Raises an alarm when the database file is deleted or replaced while the daemon runs, and when it returns. */
  checkIdentity(raise: (alarm: Alarm) => void): void {
    const missing = this.identity.missing();
    if (missing !== this.missing) raise(databaseAlarm(this.file, missing));
    this.missing = missing;
    this.recordIdentity();
  }

  close(): void {
    this.cancelCheck();
    this.recordIdentity();
    this.store.close();
    this.lock.release();
  }

  /** A failed write, such as on a full disk, is only logged. */
  private recordIdentity(): void {
    try {
      if (this.identity.missing() === null) this.identity.note(this.store.length());
    } catch (thrown) {
      this.log.warn({}, `recording the identity of the database: ${errorText(thrown)}`);
    }
  }
}

function databaseAlarm(file: string, missing: string | null): Alarm {
  const alarm = { kind: 'database-missing', target: file } as const;
  if (missing === null) return { ...alarm, message: 'the file is back', hint: '', cleared: true };
  return {
    ...alarm,
    message: `${missing}: the daemon still writes to the file that it opened, which is lost when the daemon stops`,
    hint: 'move the file back; if it was deleted, stop the daemon, restore a backup and run sos-ci confirm',
  };
}

function openVerified(file: string): { readonly store: Store; readonly identity: DatabaseIdentity } {
  const store = openStore(file);
  try {
    return { store, identity: verifyIdentity(file) };
  } catch (thrown) {
    store.close();
    throw thrown;
  }
}
