/**
 * Maps errors of our own disk to an OperationError: the error's code decides whether a retry can help and what the
 * operator should do. Errors of a job's files do not get here; they are listed as skipped.
 */
import { AbortedError, errorText, OperationError } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import { after, type Cancel } from '../../../timer.ts';
import { errorCode } from './dir-handle.ts';

/** The deadline of an operation: its signal aborts with the caller's, or when the timeout expires. */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #timeoutMs: number;
  readonly #cancel: Cancel;
  #expired = false;

  constructor(timeoutMs: number, caller: AbortSignal) {
    const own = new AbortController();
    this.#timeoutMs = timeoutMs;
    const expire = (): void => {
      this.#expired = true;
      own.abort();
    };
    this.#cancel = after(timeoutMs, expire, { unref: true });
    this.signal = AbortSignal.any([caller, own.signal]);
  }

  /** Runs the work. Disk errors and aborts are rethrown as an OperationError. */
  async run<T>(operation: string, target: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      this.signal.throwIfAborted();
      return await work(this.signal);
    } catch (error) {
      throw this.#causedBy(error)
        ? this.#stopped(operation, target, error)
        : asFailure(operation, target, error);
    } finally {
      this.#cancel();
    }
  }

  /** True when the abort caused the error; false when the error merely coincides with it. */
  #causedBy(error: unknown): boolean {
    if (!this.signal.aborted) return false;
    return (
      error === this.signal.reason ||
      error instanceof AbortedError ||
      (error instanceof Error && error.name === 'AbortError')
    );
  }

  #stopped(operation: string, target: string, cause: unknown): OperationError {
    return new OperationError({
      operation,
      target,
      message: this.#expired
        ? `took longer than ${formatLimit(this.#timeoutMs)}`
        : 'was aborted before it was done',
      retryable: true,
      hint: this.#expired
        ? 'check the disk and the network, or collect less'
        : 'none: sos-ci retries automatically',
      cause,
    });
  }
}

/** Maps a disk error to an OperationError. Any other error is a bug and is returned unchanged. */
export function asFailure(operation: string, target: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof OperationError || !/^E[A-Z0-9]+$/.test(code)) return error;
  const known = KNOWN[code];
  return new OperationError({
    operation,
    target,
    message: errorText(error),
    retryable: known?.retryable ?? false,
    hint: known?.hint ?? 'check the directory and the kernel log',
    cause: error,
  });
}

const KNOWN: Readonly<Record<string, { readonly retryable: boolean; readonly hint: string }>> = {
  ENOSPC: { retryable: true, hint: 'free some space on that disk' },
  EDQUOT: { retryable: true, hint: 'raise the quota, or free some space' },
  EMFILE: { retryable: true, hint: 'raise LimitNOFILE of the service' },
  ENFILE: { retryable: true, hint: 'the whole machine is out of file handles: raise fs.file-max' },
  ENOMEM: { retryable: true, hint: 'the machine is out of memory' },
  EIO: { retryable: true, hint: 'check the kernel log: the disk reports errors' },
  EBUSY: { retryable: true, hint: 'check what else uses that directory' },
  ENOTEMPTY: { retryable: true, hint: 'check what else writes into that directory' },
  EEXIST: { retryable: true, hint: 'check what else writes into that directory' },
  ESTALE: { retryable: true, hint: 'check the network file system' },
  EACCES: { retryable: false, hint: "allow the daemon's user to write there" },
  EPERM: { retryable: false, hint: "allow the daemon's user to write there" },
  EROFS: { retryable: false, hint: 'mount that file system read-write' },
  ENOTDIR: {
    retryable: false,
    hint: 'a file or a link is where a directory should be: move it out of the way',
  },
  ELOOP: { retryable: false, hint: 'a link is where a directory should be: move it out of the way' },
};
