/** Composes a finished directory in the daemon's own directory, for publishers that send it elsewhere. */
import { join } from 'node:path';
import type { FinishedDirectory } from '../../../engine/ports/publisher.ts';
import { OperationError } from '../../../errors.ts';

/** The finished directory on this host. An error instead, if the evidence is gone: it may be published already. */
export async function composeHere(
  finished: FinishedDirectory,
  signal: AbortSignal,
): Promise<string | OperationError> {
  try {
    return join(finished.directory, ...(await finished.compose(finished.directory, signal)));
  } catch (error) {
    if (error instanceof OperationError && !error.retryable) return error;
    throw error;
  }
}
