/**
 * What is known here of a run on a node: a run directory of the same form as a local one, so that evidence and whoever
 * watches find it where they look for any other. The size of its log is how far the node's log has been read: nothing else
 * has to be remembered, whatever ends us.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, OperationError } from '../../errors.ts';
import { writeAtomically } from '../run/atomic-file.ts';
import { errorCode, fileError } from '../run/fs-error.ts';

/** This host could not keep what the node sent; the node still has it. */
export class LogNotWritten extends OperationError {}

export class RunMirror {
  readonly #directory: string;
  readonly #log: FileHandle;
  readonly #limitBytes: number;
  #bytes: number;

  private constructor(directory: string, log: FileHandle, bytes: number, limitBytes: number) {
    this.#directory = directory;
    this.#log = log;
    this.#bytes = bytes;
    this.#limitBytes = limitBytes;
  }

  /** `limitBytes`: more than this is not believed. */
  static async open(directory: string, limitBytes: number): Promise<RunMirror> {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
      const log = await open(join(directory, 'log'), flags, 0o600);
      return new RunMirror(directory, log, (await log.stat()).size, limitBytes);
    } catch (error) {
      throw unkept(directory, error);
    }
  }

  /** The byte of the node's log that comes next; null: no more of it is wanted. */
  get offset(): number | null {
    return this.#bytes < this.#limitBytes ? this.#bytes : null;
  }

  /** False: the log is full, and says so. */
  async append(chunk: Buffer): Promise<boolean> {
    const left = Math.max(this.#limitBytes - this.#bytes, 0);
    await this.#write(chunk.subarray(0, left));
    if (chunk.length <= left) return true;
    if (left > 0) {
      const note = `\n[sos-ci: the node sent more than ${this.#limitBytes} bytes; the rest was dropped]\n`;
      await this.#write(Buffer.from(note));
    }
    return false;
  }

  /** The process id of the runner. */
  async keepPid(pid: number): Promise<void> {
    await this.#keep('pid', `${pid}\n`, Date.now() / 1000);
  }

  /**
   * How the run ended. Its file and that of the process id get the times of the node's own, in seconds ago: both of one
   * look, so that a stage lasts here as long as it did there.
   */
  async keepEnding(
    text: string,
    ago: { readonly endedAgo: number; readonly beganAgo: number },
  ): Promise<void> {
    const now = Date.now() / 1000;
    const pid = join(this.#directory, 'pid');
    try {
      await utimes(pid, now - ago.beganAgo, now - ago.beganAgo);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw unkept(pid, error);
    }
    await this.#keep('rc', text, now - ago.endedAgo);
  }

  /** A small file, whole. `at`: when it was written on the node, in epoch seconds. */
  async #keep(name: 'pid' | 'rc', text: string, at: number): Promise<void> {
    const file = join(this.#directory, name);
    try {
      await writeAtomically(file, text, { modifiedAt: at });
    } catch (error) {
      throw unkept(file, error);
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#log.sync();
    } catch (error) {
      throw unkept(this.#directory, error);
    }
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  /** What was written before an error counts too: the offset is where the file ends. */
  async #write(bytes: Buffer): Promise<void> {
    let at = 0;
    try {
      while (at < bytes.length) {
        const { bytesWritten } = await this.#log.write(bytes, at, bytes.length - at);
        at += bytesWritten;
        this.#bytes += bytesWritten;
      }
    } catch (error) {
      throw unkept(this.#directory, error);
    }
  }
}

function unkept(target: string, cause: unknown): unknown {
  const known = fileError('keep stage log', target, cause);
  if (!(known instanceof OperationError)) return known;
  const { operation, retryable, hint } = known;
  return new LogNotWritten({ operation, target, message: errorText(known), retryable, hint, cause });
}
