/**
 * Detects a copied, moved or restored database. It would post and delete for jobs that the original finished long ago.
 * Each start of the daemon writes a new token into the database and into a file beside it, together with host, path,
 * inode and the number of the newest row. If they disagree, the database is refused until `sos-ci confirm`.
 *
 * In a whole directory that was restored, database and file agree. So the file also records its own inode and creation
 * time. Each write creates a new file, and neither a copy nor an archive preserves a creation time. Inodes are reused,
 * and the time of the last change (ctime) also changes when a backup program links the file or resets its access time.
 * Creation times are only compared with each other, so a clock that jumps raises no alarm. An older state of the whole
 * disk, such as a snapshot of the volume or of the virtual machine, is not detected.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorText, OperationError } from '../../errors.ts';
import { writeAtomicallySync } from '../run/atomic-file.ts';
import { asOperationError, type Database, openWritable } from './database.ts';
import { assertCurrent } from './migrate.ts';
import { prepared } from './statements.ts';

/** Replaces the token in a backup. Never equal to a token. */
const BACKUP = 'backup';

interface Sidecar {
  /** Host, inode and path. */
  readonly location: string;
  /** Two during a start: the database has one of them. */
  readonly tokens: readonly string[];
  /** The number of the newest log row at the time of writing. It never decreases. */
  readonly rows: number;
  /** The identity of this file itself. */
  readonly self: FileIdentity;
}

/** Identifies a file on this host. */
interface FileIdentity {
  readonly inode: string;
  /** Null where the host does not report it. */
  readonly createdNs: string | null;
}

/** A database whose identity was verified. */
export interface DatabaseIdentity {
  /** Records the number of the newest row, at intervals and at the end, so that an older copy of the file is detected. */
  note(rows: number): void;
  /** Why the file at the path is not the opened one; null: it is. */
  missing(): string | null;
}

/**
 * Verifies the identity and claims the database for this start. Requires the daemon's lock and a migrated database.
 * @throws OperationError
 */
export function verifyIdentity(file: string): DatabaseIdentity {
  return withDatabase(file, (database) => {
    const token = readToken(database);
    const sidecar = readSidecar(file);
    const known =
      sidecar !== null &&
      isSame(sidecar.self, fileIdentity(sidecarOf(file))) &&
      sidecar.location === locationOf(file) &&
      sidecar.tokens.some((stored) => stored === token) &&
      newestRow(database) >= sidecar.rows;
    // A database without a token is new.
    if (token !== null && !known) throw moved(file);
    const claimed = claim(file, database, token);
    const location = locationOf(file);
    const { dev, ino } = statSync(file);
    return {
      // Uses the location from the start, because another file may be at the path now.
      note: (rows) => writeSidecar(file, { location, tokens: [claimed], rows }),
      missing: () => {
        const found = statSync(file, { throwIfNoEntry: false });
        if (found === undefined) return 'the file is gone';
        return found.dev === dev && found.ino === ino ? null : 'another file replaced it';
      },
    };
  });
}

/**
 * Accepts this copy as the active database, at the operator's request. The daemon must not run. @throws OperationError
 */
export function confirmIdentity(file: string): void {
  withDatabase(file, (database) => {
    assertCurrent(database);
    claim(file, database, null);
  });
}

/** Marks a new backup, so that it is not mistaken for the original. */
export function markBackup(file: string): void {
  withDatabase(file, (database) => {
    writeToken(database, BACKUP);
    database.exec('PRAGMA journal_mode = DELETE');
  });
}

/** The file holds both tokens until the database has the new one, so a crash in between raises no false alarm. */
function claim(file: string, database: Database, former: string | null): string {
  const token = randomBytes(16).toString('hex');
  const rows = newestRow(database);
  const location = locationOf(file);
  writeSidecar(file, { location, tokens: former === null ? [token] : [former, token], rows });
  writeToken(database, token);
  writeSidecar(file, { location, tokens: [token], rows });
  return token;
}

function withDatabase<T>(file: string, work: (database: Database) => T): T {
  const database = openWritable(file);
  try {
    return work(database);
  } catch (thrown) {
    throw asOperationError('verify the identity of the database', file, thrown);
  } finally {
    database.close();
  }
}

function sidecarOf(file: string): string {
  return `${file}.identity`;
}

function readToken(database: Database): string | null {
  const row = prepared(database, "SELECT value FROM meta WHERE key = 'identity'").get() as
    | { value: string }
    | undefined;
  return row?.value ?? null;
}

function writeToken(database: Database, token: string): void {
  prepared(database, "INSERT OR REPLACE INTO meta VALUES ('identity', ?)").run(token);
}

function newestRow(database: Database): number {
  const row = prepared(database, 'SELECT coalesce(max(seq), 0) AS rows FROM event').get() as { rows: number };
  return row.rows;
}

function readSidecar(file: string): Sidecar | null {
  try {
    const read = JSON.parse(readFileSync(sidecarOf(file), 'utf8')) as Partial<Sidecar> | null;
    return read?.self === undefined ? null : (read as Sidecar);
  } catch (thrown) {
    // A damaged file is treated like a missing one: the database cannot prove its identity.
    if (
      thrown instanceof SyntaxError ||
      (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')
    ) {
      return null;
    }
    throw new OperationError({
      operation: 'read identity',
      target: sidecarOf(file),
      message: errorText(thrown),
      retryable: false,
      hint: 'make the file readable',
      cause: thrown,
    });
  }
}

function writeSidecar(file: string, content: Omit<Sidecar, 'self'>): void {
  // Synced: after a power cut the file must have the database's token.
  writeAtomicallySync(sidecarOf(file), (temporary) => {
    const sidecar: Sidecar = { ...content, self: fileIdentity(temporary) };
    return `${JSON.stringify(sidecar)}
`;
  });
}

/**
 * A file system without creation times reports 0. Some hosts report the time of the last change instead: then the
 * directory, which changes with each new file, also appears to be new.
 */
function fileIdentity(file: string): FileIdentity {
  const { ino, birthtimeNs } = statSync(file, { bigint: true });
  const directory = statSync(dirname(file), { bigint: true });
  const known = birthtimeNs !== 0n && directory.birthtimeNs !== directory.ctimeNs;
  return { inode: String(ino), createdNs: known ? String(birthtimeNs) : null };
}

/** Ignores a creation time that only one of them has: the host may report it only since an upgrade. */
function isSame(one: FileIdentity, other: FileIdentity): boolean {
  const sameCreation =
    one.createdNs === null || other.createdNs === null || one.createdNs === other.createdNs;
  return one.inode === other.inode && sameCreation;
}

/**
 * The host (its machine-id(5) if it has one), the inode, which changes when the file is replaced, and the real path.
 */
function locationOf(file: string): string {
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
      'this database was moved, restored or copied: its original may have finished the jobs that are open here',
    retryable: false,
    hint: 'make sure that no other daemon uses the original, then run: sos-ci confirm --yes',
  });
}
