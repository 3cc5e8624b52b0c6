/**
 * Maps file system errors to an OperationError; the error code decides whether a retry can help. An error without a
 * code is a bug in this program and is returned unchanged.
 */
import { errorText, OperationError } from '../../errors.ts';

/** Codes of errors that pass with time, or when an operator frees disk space, without a configuration change. */
const PASSING = [
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'EBUSY',
  'EIO',
  'ENOMEM',
  'ETIMEDOUT',
  'ESTALE',
];

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on the disk of the state directory',
  EDQUOT: 'free space in the quota of the state directory',
  EMFILE: 'raise the limit of open files of the daemon',
  ENFILE: 'raise the limit of open files of this host',
  EACCES: 'give the daemon its state directory back: it must own everything in it',
  EPERM: 'give the daemon its state directory back: it must own everything in it',
  EROFS: 'make the file system of the state directory writable',
};

export function fileError(operation: string, target: string, cause: unknown): unknown {
  const code = errorCode(cause);
  if (cause instanceof OperationError || code === null) return cause;
  return new OperationError({
    operation,
    target,
    message: errorText(cause),
    retryable: PASSING.includes(code),
    hint: HINTS[code] ?? 'check the state directory on this host',
    cause,
  });
}

export function errorCode(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;
}
