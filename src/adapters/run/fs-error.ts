/**
 * Maps file system errors to an OperationError; the error code decides whether a retry can help. An error without a
 * code is a bug in this program and is returned unchanged.
 */
import { errorText, OperationError } from '../../errors.ts';

/** Codes of errors that pass with time, or when an operator frees disk space, without a configuration change. */
const TEMPORARY_CODES = [
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
  EACCES: "make the daemon's user the owner of the state directory and everything in it",
  EPERM: "make the daemon's user the owner of the state directory and everything in it",
  EROFS: 'make the file system of the state directory writable',
};

/** @param hint for a file that is not in the state directory */
export function fileError(operation: string, target: string, cause: unknown, hint?: string): unknown {
  const code = errorCode(cause);
  if (cause instanceof OperationError || code === null) return cause;
  return new OperationError({
    operation,
    target,
    message: errorText(cause),
    retryable: TEMPORARY_CODES.includes(code),
    hint: hint ?? HINTS[code] ?? 'check the state directory on this host',
    cause,
  });
}

export function errorCode(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;
}
