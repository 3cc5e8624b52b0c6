/**
 * The local mirror of a run on a node: a run directory of the same form as a local one, so that the evidence code and
 * log readers handle both alike. The size of its log is the offset up to which the node's log has been read, so a crash
 * loses no other state.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, OperationError } from '../../errors.ts';
import { writeAtomically } from '../run/atomic-file.ts';
import { errorCode, fileError } from '../run/fs-error.ts';

/** This host could not write the log data that the node sent; the node still has it. */
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

  /** `limitBytes` bounds the log; the rest is dropped. */
  static async open(directory: string, limitBytes: number): Promise<RunMirror> {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
      const log = await open(join(directory, 'log'), flags, 0o600);
      return new RunMirror(directory, log, (await log.stat()).size, limitBytes);
    } catch (error) {
      throw notWritten(directory, error);
    }
  }

  /** The next offset to read in the node's log; null when the log is full. */
  get offset(): number | null {
    return this.#bytes < this.#limitBytes ? this.#bytes : null;
  }

  /** False: the log is full, and a note at its end states that. */
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
  async savePid(pid: number): Promise<void> {
    await this.#save('pid', `${pid}\n`, Date.now() / 1000);
  }

  /**
   * Saves how the run ended. `rc` and `pid` get the node's file times, as seconds before now; both are from the same
   * poll, so that a stage has the same duration here as on the node.
   */
  async saveEnding(
    text: string,
    ago: { readonly endedAgo: number; readonly beganAgo: number },
  ): Promise<void> {
    const now = Date.now() / 1000;
    const pid = join(this.#directory, 'pid');
    try {
      await utimes(pid, now - ago.beganAgo, now - ago.beganAgo);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw notWritten(pid, error);
    }
    await this.#save('rc', text, now - ago.endedAgo);
  }

  /** Writes a small file atomically. `at`: the time of writing on the node, in epoch seconds. */
  async #save(name: 'pid' | 'rc', text: string, at: number): Promise<void> {
    const file = join(this.#directory, name);
    try {
      await writeAtomically(file, text, { modifiedAt: at });
    } catch (error) {
      throw notWritten(file, error);
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#log.sync();
    } catch (error) {
      throw notWritten(this.#directory, error);
    }
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  /** Counts bytes written before an error too: the offset is the end of the file. */
  async #write(bytes: Buffer): Promise<void> {
    let at = 0;
    try {
      while (at < bytes.length) {
        const { bytesWritten } = await this.#log.write(bytes, at, bytes.length - at);
        at += bytesWritten;
        this.#bytes += bytesWritten;
      }
    } catch (error) {
      throw notWritten(this.#directory, error);
    }
  }
}

function notWritten(target: string, cause: unknown): unknown {
  const known = fileError('write stage log', target, cause);
  if (!(known instanceof OperationError)) return known;
  const { operation, retryable, hint } = known;
  return new LogNotWritten({ operation, target, message: errorText(known), retryable, hint, cause });
}
