/** The minimum work on this disk: a bare SQLite table with synchronous=FULL, and a file with write and fdatasync. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { timedSync } from './measure.ts';

/** A log of texts with one transaction for each append, on a WAL that already has its full size. */
export class BareLog {
  readonly #database: Sqlite.Database;
  readonly #append: (texts: readonly string[]) => void;

  constructor(directory: string) {
    this.#database = new Sqlite(join(directory, 'bare.db'));
    this.#database.pragma('journal_mode = WAL');
    this.#database.pragma('synchronous = FULL');
    this.#database.exec('CREATE TABLE log (seq INTEGER PRIMARY KEY, row TEXT NOT NULL) STRICT');
    const insert = this.#database.prepare('INSERT INTO log (row) VALUES (?)');
    const grow = this.#database.prepare('INSERT INTO log (row) VALUES (hex(zeroblob(?)))');
    grow.run(2 * 1024 * 1024);
    this.#database.exec('DELETE FROM log');
    this.#database.pragma('wal_checkpoint(RESTART)');
    this.#append = this.#database.transaction((texts: readonly string[]) => {
      for (const text of texts) insert.run(text);
    }).immediate;
  }

  /** Milliseconds that it takes to make these rows durable, in one transaction. */
  append(texts: readonly string[]): number {
    return timedSync(() => this.#append(texts));
  }

  close(): void {
    this.#database.close();
  }
}

/** A growing file, synced after each write. */
export class BareFile {
  readonly #file: number;

  constructor(directory: string) {
    this.#file = openSync(join(directory, 'bare.log'), 'a');
  }

  append(texts: readonly string[]): number {
    const text = texts.join('\n');
    return timedSync(() => {
      writeSync(this.#file, text);
      fdatasyncSync(this.#file);
    });
  }

  close(): void {
    closeSync(this.#file);
  }
}
