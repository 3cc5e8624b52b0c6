/**
 * Is this database where it was, and as far as it was? A copy, or a backup that was restored, would post and delete for
 * jobs that the original has long finished. Each start of the daemon writes a fresh token into the database and into a
 * file beside it, with host, path, inode and length of the log; where they disagree the database waits for `sos-ci confirm`.
 *
 * A whole directory that was put back agrees with itself. So the file also holds which file it is: its inode and the time
 * of its birth. Each note is a new file, and no copy and no archive can bring a birth along, whether it is put into the
 * file that is there or into a new one. Nothing else tells as well: inodes are given out again, and the time of the last
 * change (ctime) also moves when a backup program links the file or hides that it read it. Births are only compared with
 * themselves, so a clock that jumps is no alarm. What stays unknown is an older state of the whole disk: a snapshot of the
 * volume or of the virtual machine brings all of this along.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorText, OperationError } from '../../errors.ts';
import { writeAtomicallySync } from '../run/atomic-file.ts';
import { asOperationError, type Database, openWritable } from './database.ts';
import { assertCurrent } from './migrate.ts';
import { prepared } from './statements.ts';

/** What a backup holds in place of a token: never equal to one. */
const COPY = 'copy';

interface Sidecar {
  readonly place: string;
  /** Two while a start is under way: the database has the one or the other. */
  readonly tokens: readonly string[];
  /** Rows that the log had when this was written: it can only have more now. */
  readonly rows: number;
  /** The file that this was written into. */
  readonly self: Identity;
}

/** Which file it is. */
interface Identity {
  readonly inode: string;
  /** Null where the host can not tell. */
  readonly born: string | null;
}

/** The place, once it is taken. */
export interface Place {
  /** Notes how long the log is by now, from time to time and at the end, so that an older copy of the file is known as one. */
  note(rows: number): void;
  /** Why the file at the path is not the one that was opened; null: it is. */
  missing(): string | null;
}

/** Checks the place and takes it for this start. Call with the daemon's lock held, after migrating. @throws OperationError */
export function assertPlace(file: string): Place {
  return withDatabase(file, (database) => {
    const token = readToken(database);
    const sidecar = readSidecar(file);
    const known =
      sidecar !== null &&
      isSame(sidecar.self, identityOf(`${file}.place`)) &&
      sidecar.place === placeOf(file) &&
      sidecar.tokens.some((mine) => mine === token) &&
      countRows(database) >= sidecar.rows;
    // Without a token nothing was ever done for this database: it is new.
    if (token !== null && !known) throw moved(file);
    const taken = takePlace(file, database, token);
    const place = placeOf(file);
    const { dev, ino } = statSync(file);
    return {
      // Not the place by now: another file there is not the one that this is written for.
      note: (rows) => writeSidecar(file, { place, tokens: [taken], rows }),
      missing: () => {
        const found = statSync(file, { throwIfNoEntry: false });
        if (found === undefined) return 'the file is gone';
        return found.dev === dev && found.ino === ino ? null : 'another file is in its place';
      },
    };
  });
}

/** The operator's word that this copy is now the one. The daemon must not run. @throws OperationError */
export function confirmPlace(file: string): void {
  withDatabase(file, (database) => {
    assertCurrent(database);
    takePlace(file, database, null);
  });
}

/** Marks a fresh backup, so that it can not be taken for its original. */
export function markCopy(file: string): void {
  withDatabase(file, (database) => {
    writeToken(database, COPY);
    database.exec('PRAGMA journal_mode = DELETE');
  });
}

/** The file holds both tokens until the database has the new one, so that a crash in between is no false alarm. */
function takePlace(file: string, database: Database, former: string | null): string {
  const token = randomBytes(16).toString('hex');
  const rows = countRows(database);
  const place = placeOf(file);
  writeSidecar(file, { place, tokens: former === null ? [token] : [former, token], rows });
  writeToken(database, token);
  writeSidecar(file, { place, tokens: [token], rows });
  return token;
}

function withDatabase<T>(file: string, work: (database: Database) => T): T {
  const database = openWritable(file);
  try {
    return work(database);
  } catch (thrown) {
    throw asOperationError('check the place of the database', file, thrown);
  } finally {
    database.close();
  }
}

function readToken(database: Database): string | null {
  const row = prepared(database, "SELECT value FROM meta WHERE key = 'place'").get() as
    | { value: string }
    | undefined;
  return row?.value ?? null;
}

function writeToken(database: Database, token: string): void {
  prepared(database, "INSERT OR REPLACE INTO meta VALUES ('place', ?)").run(token);
}

function countRows(database: Database): number {
  const row = prepared(database, 'SELECT coalesce(max(seq), 0) AS rows FROM event').get() as { rows: number };
  return row.rows;
}

function readSidecar(file: string): Sidecar | null {
  try {
    const read = JSON.parse(readFileSync(`${file}.place`, 'utf8')) as Partial<Sidecar> | null;
    return read?.self === undefined ? null : (read as Sidecar);
  } catch (thrown) {
    // Missing or damaged alike: the database can not show that it is where it was.
    if (
      thrown instanceof SyntaxError ||
      (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')
    ) {
      return null;
    }
    throw new OperationError({
      operation: 'read place',
      target: `${file}.place`,
      message: errorText(thrown),
      retryable: false,
      hint: 'make the file readable',
      cause: thrown,
    });
  }
}

function writeSidecar(file: string, content: Omit<Sidecar, 'self'>): void {
  // Synced: a loss of power must not leave the database with a token that the file does not name.
  writeAtomicallySync(`${file}.place`, (temporary) => {
    const sidecar: Sidecar = { ...content, self: identityOf(temporary) };
    return `${JSON.stringify(sidecar)}
`;
  });
}

/**
 * A file system without births says 0. A host that may not ask says when the file last changed: then the folder, which
 * changes with each file that is put into it, seems to be born just now too.
 */
function identityOf(file: string): Identity {
  const { ino, birthtimeNs } = statSync(file, { bigint: true });
  const folder = statSync(dirname(file), { bigint: true });
  const known = birthtimeNs !== 0n && folder.birthtimeNs !== folder.ctimeNs;
  return { inode: String(ino), born: known ? String(birthtimeNs) : null };
}

/** A birth that only one of them knows says nothing: the host may have learned to tell since. */
function isSame(one: Identity, other: Identity): boolean {
  const bornAlike = one.born === null || other.born === null || one.born === other.born;
  return one.inode === other.inode && bornAlike;
}

/** The host (machine-id(5), where it has one), the real path, and the inode: a directory that replaced this one has another. */
function placeOf(file: string): string {
  return `${machineId()} ${statSync(file).ino} ${realpathSync(file)}`;
}

function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    return 'unknown-host';
  }
}

function moved(file: string): OperationError {
  return new OperationError({
    operation: 'open database',
    target: file,
    message:
      'this database was restored or copied from elsewhere: its jobs may have been finished by the original',
    retryable: false,
    hint: 'make sure that no other daemon works on the original, then run: sos-ci confirm',
  });
}
