/**
 * Address of the control socket, `control.sock` in the state directory. The kernel limits socket addresses to 107
 * bytes; a longer one is reached through an open directory descriptor, whose path is short.
 */
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { errorText, OperationError } from '../../errors.ts';

const ADDRESS_LIMIT_BYTES = 107;
const NAME = 'control.sock';

export interface Address {
  /** Path for bind and connect; valid until closed. */
  readonly path: string;
  /** For display. */
  readonly shown: string;
  close(): void;
}

/** @throws OperationError when the directory cannot be opened, or the path is too long on this system */
export function openAddress(stateDir: string): Address {
  const shown = join(stateDir, NAME);
  if (Buffer.byteLength(shown) <= ADDRESS_LIMIT_BYTES) return { path: shown, shown, close: () => {} };
  const directory = openDirectory(stateDir, shown);
  return { path: `/proc/self/fd/${directory}/${NAME}`, shown, close: () => closeSync(directory) };
}

function openDirectory(stateDir: string, shown: string): number {
  if (!existsSync('/proc/self/fd')) {
    const message = `the path is longer than the ${ADDRESS_LIMIT_BYTES} bytes that this system allows`;
    throw failed(shown, message, 'set stateDir to a shorter path');
  }
  try {
    return openSync(stateDir, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (thrown) {
    throw failed(shown, errorText(thrown), 'check that stateDir exists and is yours', thrown);
  }
}

function failed(target: string, message: string, hint: string, cause?: unknown): OperationError {
  return new OperationError({
    operation: 'open control socket',
    target,
    message,
    retryable: false,
    hint,
    cause,
  });
}
