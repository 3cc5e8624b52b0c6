/**
 * Files on the log server, over SFTP. SFTP opens files by path and follows links (it has no O_NOFOLLOW), so callers
 * check each directory with `lstat` first. Lists are bounded, and every request has a deadline.
 */
import { AbortedError, OperationError } from '../../../errors.ts';
import {
  SFTP_STATUS,
  type Sftp,
  type SftpEntry,
  type SftpStats,
  type SshClient,
} from '../../ssh/client/client.ts';
import { type SftpErrors, SftpSession } from '../../ssh/client/sftp-session.ts';
import { forEach } from '../publish/for-each.ts';
import { PUBLIC_DIRECTORY, PUBLIC_FILE } from '../publish/path.ts';

/** The size of one read or write request: every SFTP server accepts it. */
export const REQUEST_BYTES = 32 * 1024;
/** A request waits behind those sent before it, over a slow line too. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Far more than the files of one job or the jobs of one change. */
const MAX_ENTRIES = 200_000;
/** The answers of a distant log server take their time. */
const REMOVALS_AT_ONCE = 8;
const OPERATION = 'write to log server';

/** The log server answered that a request cannot be done. */
export class Refused extends OperationError {
  readonly code: number;

  constructor(code: number, target: string, message: string) {
    super({
      operation: OPERATION,
      target,
      message: `${target} refused a file request: ${message}`,
      retryable: code !== SFTP_STATUS.PERMISSION_DENIED,
      hint: 'check the free space under logs.ssh.dir on the log server, and that the account may write there',
    });
    this.code = code;
  }
}

export class LogServerFiles {
  readonly target: string;
  readonly #session: SftpSession;

  private constructor(session: SftpSession, target: string) {
    this.#session = session;
    this.target = target;
  }

  static using<T>(
    connection: SshClient,
    signal: AbortSignal,
    work: (files: LogServerFiles) => Promise<T>,
  ): Promise<T> {
    const { target } = connection;
    return SftpSession.using(
      connection,
      { timeoutMs: REQUEST_TIMEOUT_MS, signal },
      errorsOf(target),
      (session) => work(new LogServerFiles(session, target)),
    );
  }

  /** Null: it does not exist. */
  realpath(path: string): Promise<string | null> {
    return orNull(this.#session.request<string>((sftp, done) => sftp.realpath(path, done)));
  }

  /** Null: it does not exist. */
  lstat(path: string): Promise<SftpStats | null> {
    return orNull(this.#session.request<SftpStats>((sftp, done) => sftp.lstat(path, done)));
  }

  /** The entries of a directory, without `.` and `..`. */
  async list(path: string): Promise<readonly SftpEntry[]> {
    const handle = await this.#session.request<Buffer>((sftp, done) => sftp.opendir(path, done));
    const entries: SftpEntry[] = [];
    try {
      for (;;) {
        const some = await this.#session
          .request<SftpEntry[]>((sftp, done) => sftp.readdir(handle, done))
          .catch((error: unknown) => {
            if (error instanceof Refused && error.code === SFTP_STATUS.EOF) return null;
            throw error;
          });
        if (some === null) return entries;
        entries.push(...some.filter(({ filename }) => filename !== '.' && filename !== '..'));
        const isValid = some.every(({ filename }) => filename !== '' && !/[/\0]/.test(filename));
        if (!isValid || entries.length > MAX_ENTRIES)
          throw this.#failure(
            `${path} has more than ${MAX_ENTRIES} entries, or impossible names`,
            'check that directory on the log server',
          );
      }
    } finally {
      await this.close(handle);
    }
  }

  /** Creates a directory that everyone may read; false when something has its name. */
  async makeDirectory(path: string): Promise<boolean> {
    try {
      await this.#session.request<void>((sftp, done) => sftp.mkdir(path, { mode: PUBLIC_DIRECTORY }, done));
    } catch (error) {
      // SFTP has no status code for a name that is taken.
      if (error instanceof Refused && error.code === SFTP_STATUS.FAILURE && (await this.lstat(path)) !== null)
        return false;
      throw error;
    }
    await this.setMode(path, PUBLIC_DIRECTORY);
    return true;
  }

  /** The umask of the server reduces the modes of new files and directories. */
  setMode(path: string, mode: number): Promise<void> {
    return this.#session.request((sftp, done) => sftp.chmod(path, mode, done));
  }

  /** Opens a file for reading and writing. `isNew`: creates it, and refuses a name that is taken. */
  async open(path: string, isNew: boolean): Promise<Buffer> {
    const handle = await this.#session.request<Buffer>((sftp, done) =>
      sftp.open(path, isNew ? 'xw+' : 'r+', { mode: PUBLIC_FILE }, done),
    );
    await this.#session.request<void>((sftp, done) => sftp.fchmod(handle, PUBLIC_FILE, done));
    return handle;
  }

  write(handle: Buffer, bytes: Buffer, position: number): Promise<void> {
    return this.#session.request((sftp, done) => sftp.write(handle, bytes, 0, bytes.length, position, done));
  }

  /** Reads `length` bytes, or fewer at the end of the file. */
  async read(handle: Buffer, position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    let got = 0;
    while (got < length) {
      const wanted = Math.min(REQUEST_BYTES, length - got);
      const bytes = await this.#session
        .request<number>((sftp, done) => sftp.read(handle, buffer, got, wanted, position + got, done))
        .catch((error: unknown) => {
          if (error instanceof Refused && error.code === SFTP_STATUS.EOF) return 0;
          throw error;
        });
      if (bytes === 0) break;
      got += bytes;
    }
    return buffer.subarray(0, got);
  }

  /** The beginning of a file; null when it is missing or not a regular file. */
  async readFile(path: string, maxBytes: number): Promise<Buffer | null> {
    const stats = await this.lstat(path);
    if (stats === null || !stats.isFile()) return null;
    const handle = await this.#session.request<Buffer>((sftp, done) => sftp.open(path, 'r', done));
    try {
      return await this.read(handle, 0, Math.min(stats.size, maxBytes));
    } finally {
      await this.close(handle);
    }
  }

  /** Replaces a file whole. `temporary` is a name beside it that only this caller uses. */
  async replace(path: string, temporary: string, content: Buffer): Promise<void> {
    await this.removeFile(temporary);
    const handle = await this.open(temporary, true);
    try {
      for (let at = 0; at < content.length; at += REQUEST_BYTES)
        await this.write(handle, content.subarray(at, at + REQUEST_BYTES), at);
      await this.sync(handle);
    } finally {
      await this.close(handle);
    }
    // Plain SFTP does not replace a file.
    const isOffered = await this.#extension((sftp, done) => sftp.ext_openssh_rename(temporary, path, done));
    if (!isOffered) throw this.#failure('its SFTP server cannot replace a file', "use OpenSSH's SFTP server");
  }

  size(handle: Buffer): Promise<number> {
    return this.#session
      .request<SftpStats>((sftp, done) => sftp.fstat(handle, done))
      .then((stats) => stats.size);
  }

  /** Waits until the file is on disk, if the server can say so (`fsync@openssh.com`). */
  async sync(handle: Buffer): Promise<void> {
    await this.#extension((sftp, done) => sftp.ext_openssh_fsync(handle, done));
  }

  close(handle: Buffer): Promise<void> {
    return this.#session.request((sftp, done) => sftp.close(handle, done));
  }

  /** Renames a directory. Refused when the new name is taken. */
  rename(from: string, to: string): Promise<void> {
    return this.#session.request((sftp, done) => sftp.rename(from, to, done));
  }

  async removeFile(path: string): Promise<void> {
    await orNull(this.#session.request<void>((sftp, done) => sftp.unlink(path, done)));
  }

  /** Removes a file, a link, or a directory with its content, `last` of it at the end. */
  async removeTree(path: string, last: string | null = null): Promise<void> {
    const stats = await this.lstat(path);
    if (stats === null) return;
    if (!stats.isDirectory()) return this.removeFile(path);
    const files: string[] = [];
    const levels: string[][] = [];
    for (let level = [path]; level.length > 0; level = await this.#below(level, files)) levels.push(level);
    const atEnd = last === null ? null : `${path}/${last}`;
    const others = files.filter((file) => file !== atEnd);
    await forEach(others, REMOVALS_AT_ONCE, (file) => this.removeFile(file));
    for (const level of levels.slice(1).reverse())
      await forEach(level, REMOVALS_AT_ONCE, (directory) => this.#removeDirectory(directory));
    if (atEnd !== null) await this.removeFile(atEnd);
    await this.#removeDirectory(path);
  }

  /** The directories in these directories. Adds everything else that is in them to `files`. */
  async #below(directories: readonly string[], files: string[]): Promise<string[]> {
    const found: string[] = [];
    await forEach(directories, REMOVALS_AT_ONCE, async (directory) => {
      for (const { filename, attrs } of await this.list(directory))
        (attrs.isDirectory() ? found : files).push(`${directory}/${filename}`);
    });
    return found;
  }

  async #removeDirectory(path: string): Promise<void> {
    await orNull(this.#session.request<void>((sftp, done) => sftp.rmdir(path, done)));
  }

  /** Removes a directory; false when something is in it. */
  async removeEmpty(path: string): Promise<boolean> {
    try {
      await this.#removeDirectory(path);
      return true;
    } catch (error) {
      if (error instanceof Refused && error.code === SFTP_STATUS.FAILURE) return false;
      throw error;
    }
  }

  /** Null: unknown. */
  async freeBytes(path: string): Promise<number | null> {
    try {
      const answer = await this.#session.request<{ f_bavail: number; f_frsize: number }>((sftp, done) =>
        sftp.ext_openssh_statvfs(path, done),
      );
      return answer.f_bavail * answer.f_frsize;
    } catch {
      // The server does not offer it, or the session has ended.
      return null;
    }
  }

  /** A request of OpenSSH's own. False: the server does not offer it, and nothing was sent. */
  async #extension(send: (sftp: Sftp, done: () => void) => void): Promise<boolean> {
    let isOffered = true;
    await this.#session.request<void>((sftp, done) => {
      try {
        send(sftp, done);
      } catch {
        isOffered = false;
        done(null);
      }
    });
    return isOffered;
  }

  #failure(message: string, hint: string): OperationError {
    return new OperationError({
      operation: OPERATION,
      target: this.target,
      message: `${this.target}: ${message}`,
      retryable: false,
      hint,
    });
  }
}

/** Resolves to null when the path does not exist. */
async function orNull<T>(request: Promise<T>): Promise<T | null> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof Refused && error.code === SFTP_STATUS.NO_SUCH_FILE) return null;
    throw error;
  }
}

function errorsOf(target: string): SftpErrors {
  const lost = (message: string, cause: unknown) =>
    new OperationError({
      operation: OPERATION,
      target,
      message: `files of ${target}: ${message}`,
      retryable: true,
      hint: 'check the log server: that it is up, and that its disk works',
      cause,
    });
  return {
    refused: (code, message) => new Refused(code, target, message),
    timeout: (message) => lost(message, null),
    unreachable: lost,
    aborted: () => new AbortedError(OPERATION, target),
  };
}
