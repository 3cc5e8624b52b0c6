/**
 * Turns what the file system said into an OperationError; whether a retry can help goes by its code. What has no code
 * is a mistake in this program, and stays as it is.
 */
import { errorText, OperationError } from '../../errors.ts';

/** Codes that time, or an operator who makes room, can heal without a change of configuration. */
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
  ENOSPC: 'make room on the disk of the state directory',
  EDQUOT: 'make room in the quota of the state directory',
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
    hint: HINTS[code] ?? 'look at the state directory on this host',
    cause,
  });
}

export function errorCode(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;
}
