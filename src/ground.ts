/**
 * What a daemon stands on: the lock that makes it the only one, its database, and the note of where the database is, so
 * that an older copy of it is known as one.
 */
import { mkdirSync } from 'node:fs';
import { systemClock } from './adapters/clock/system.ts';
import type { Faults } from './adapters/faults.ts';
import { type Lock, takeLock } from './adapters/sqlite/lock.ts';
import { assertPlace, type Place } from './adapters/sqlite/place.ts';
import { openStore } from './adapters/sqlite/store.ts';
import type { Store } from './engine/store.ts';
import { errorText } from './errors.ts';
import type { Log } from './log.ts';
import { databaseFile, lockFile } from './maintenance.ts';

const NOTE_PLACE_MS = 60_000;

export class Ground {
  readonly store: Store;
  private readonly lock: Lock;
  private readonly place: Place;
  private readonly log: Log;
  private cancelNote: () => void = () => {};

  /** @throws OperationError when the lock is held, or the database is a copy, newer or damaged */
  constructor(stateDir: string, faults: Faults | null, log: Log) {
    this.log = log;
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    this.lock = takeLock(lockFile(stateDir), Date.now());
    try {
      const { store, place } = openIn(databaseFile(stateDir));
      this.place = place;
      this.store = faults === null ? store : faults.store(store);
    } catch (thrown) {
      this.lock.release();
      throw thrown;
    }
  }

  /** Notes the place now and then, until it is closed. */
  noteSoon(): void {
    this.cancelNote = systemClock.after(NOTE_PLACE_MS, () => {
      this.note();
      this.noteSoon();
    });
  }

  close(): void {
    this.cancelNote();
    this.note();
    this.store.close();
    this.lock.release();
  }

  /** A disk without room costs a note, no more. */
  private note(): void {
    try {
      this.place.note(this.store.length());
    } catch (thrown) {
      this.log.warn({}, `noting the place of the database: ${errorText(thrown)}`);
    }
  }
}

function openIn(file: string): { readonly store: Store; readonly place: Place } {
  const store = openStore(file);
  try {
    return { store, place: assertPlace(file) };
  } catch (thrown) {
    store.close();
    throw thrown;
  }
}
