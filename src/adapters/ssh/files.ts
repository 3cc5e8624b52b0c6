/**
 * Files on a node, over SFTP. Every request but `putFile` has a deadline, and every response a bound: a node may report
 * false sizes, send without end, or never answer.
 */
import { randomBytes } from 'node:crypto';
import { AbortedError, OperationError } from '../../errors.ts';
import { SFTP_STATUS, type SftpEntry, type SftpStats, type SshClient } from './client/client.ts';
import { type SftpErrors, SftpSession } from './client/sftp-session.ts';
import { NodeUnreachable } from './connection-failure.ts';

/** The node did not answer in time. The requested file may be the cause. */
export class FileRequestTimeout extends NodeUnreachable {}

/** The node answered that the request cannot be done: no such file, no permission, disk full. */
export class FileRequestRefused extends OperationError {
  readonly code: number;

  constructor(code: number, target: string, message: string) {
    super({
      operation: 'transfer files',
      target,
      message: `${target} refused a file request: ${message}`,
      retryable: true,
      hint: 'check the free disk space on the node, and that the account may write to the directory of the provider',
    });
    this.code = code;
  }
}

/** The size of one read request, and the number of concurrent read requests for one file. */
const CHUNK_BYTES = 32 * 1024;
const AHEAD = 8;
/** One write: the node answers it within the timeout of a request, even over a slow line. */
const WRITE_BYTES = 256 * 1024;

export class NodeFiles {
  readonly #session: SftpSession;

  private constructor(session: SftpSession) {
    this.#session = session;
  }

  /** Runs `work` with its own session. `timeoutMs` applies to each request. */
  static using<T>(
    connection: SshClient,
    timeoutMs: number,
    signal: AbortSignal,
    work: (files: NodeFiles) => Promise<T>,
  ): Promise<T> {
    return SftpSession.using(connection, { timeoutMs, signal }, errorsOf(connection.target), (session) =>
      work(new NodeFiles(session)),
    );
  }

  /** Replaces the file atomically. */
  async put(path: string, content: string | Buffer): Promise<void> {
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    await this.create(temporary, typeof content === 'string' ? Buffer.from(content, 'utf8') : content);
    await this.#session.request<void>((sftp, done) => sftp.ext_openssh_rename(temporary, path, done));
  }

  /** Writes a file that does not exist yet. */
  async create(path: string, content: Buffer, mode = 0o600): Promise<void> {
    const handle = await this.#session.request<Buffer>((sftp, done) => sftp.open(path, 'wx', { mode }, done));
    for (let at = 0; at < content.length; at += WRITE_BYTES) {
      const length = Math.min(WRITE_BYTES, content.length - at);
      await this.#session.request<void>((sftp, done) => sftp.write(handle, content, at, length, at, done));
    }
    await this.close(handle);
  }

  /** Creates the directories from `root`, which exists, down to `path` below it. */
  async makeDirectories(root: string, path: string): Promise<void> {
    let created = root;
    for (const name of path.slice(root.length + 1).split('/')) {
      created = `${created}/${name}`;
      await this.#session
        .request<void>((sftp, done) => sftp.mkdir(created, { mode: 0o700 }, done))
        .catch((error) => {
          // SFTP has no error code for a path that already exists; if the path is not a directory, the next step fails.
          if (!(error instanceof FileRequestRefused) || error.code !== SFTP_STATUS.FAILURE) throw error;
        });
    }
  }

  /** Sends a file of this host. Only the signal bounds it: the time depends on the file's size. */
  putFile(from: string, to: string): Promise<void> {
    return this.#session.request<void>((sftp, done) => sftp.fastPut(from, to, { mode: 0o600 }, done), false);
  }

  lstat(path: string): Promise<SftpStats> {
    return this.#session.request<SftpStats>((sftp, done) => sftp.lstat(path, done));
  }

  realpath(path: string): Promise<string> {
    return this.#session.request<string>((sftp, done) => sftp.realpath(path, done));
  }

  openDirectory(path: string): Promise<Buffer> {
    return this.#session.request<Buffer>((sftp, done) => sftp.opendir(path, done));
  }

  /** The next entries of an open directory, as many as the node sends per request; null at the end. */
  async readDirectory(handle: Buffer): Promise<readonly SftpEntry[] | null> {
    try {
      return await this.#session.request<SftpEntry[]>((sftp, done) => sftp.readdir(handle, done));
    } catch (error) {
      if (error instanceof FileRequestRefused && error.code === SFTP_STATUS.EOF) return null;
      throw error;
    }
  }

  open(path: string): Promise<Buffer> {
    return this.#session.request<Buffer>((sftp, done) => sftp.open(path, 'r', done));
  }

  fstat(handle: Buffer): Promise<SftpStats> {
    return this.#session.request<SftpStats>((sftp, done) => sftp.fstat(handle, done));
  }

  close(handle: Buffer): Promise<void> {
    return this.#session.request<void>((sftp, done) => sftp.close(handle, done));
  }

  /** The first `limit` bytes of an open file, whatever length the node reports. */
  async *read(handle: Buffer, limit: number): AsyncGenerator<Buffer> {
    const ahead: Promise<Buffer | null>[] = [];
    let requested = 0;
    const requestMore = (): void => {
      while (ahead.length < AHEAD && requested < limit) {
        const part = this.#readAt(handle, requested, Math.min(CHUNK_BYTES, limit - requested));
        // The part is awaited later, or never if the work ends first.
        part.catch(() => {});
        ahead.push(part);
        requested += CHUNK_BYTES;
      }
    };
    for (requestMore(); ahead.length > 0; requestMore()) {
      const part = await ahead.shift();
      if (part === undefined || part === null) return;
      yield part;
      if (part.length < CHUNK_BYTES) return;
    }
  }

  /** Reads `length` bytes, or fewer at the end of the file; null for none. */
  async #readAt(handle: Buffer, position: number, length: number): Promise<Buffer | null> {
    const buffer = Buffer.allocUnsafe(length);
    let got = 0;
    while (got < length) {
      const wanted = length - got;
      const bytes = await this.#session.request<number>((sftp, done) =>
        sftp.read(handle, buffer, got, wanted, position + got, done),
      );
      if (bytes === 0) break;
      got += bytes;
    }
    return got === 0 ? null : buffer.subarray(0, got);
  }
}

function errorsOf(target: string): SftpErrors {
  const fields = (message: string, cause: unknown) => ({
    operation: 'transfer files',
    target,
    message: `files of ${target}: ${message}`,
    retryable: true,
    hint: 'check that its SSH server offers SFTP, and that its disk works',
    cause,
  });
  return {
    refused: (code, message) => new FileRequestRefused(code, target, message),
    timeout: (message) => new FileRequestTimeout(fields(message, null)),
    unreachable: (message, cause) => new NodeUnreachable(fields(message, cause)),
    aborted: () => new AbortedError('transfer files', target),
  };
}

/** Opens an SFTP session and sends one request. No file is read or written. */
export function probeFiles(connection: SshClient, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return NodeFiles.using(connection, timeoutMs, signal, async (files) => {
    await files.realpath('.');
  });
}
