/** Checks for doctor whether evidence can be published to the log server. */
import { randomBytes } from 'node:crypto';
import type { LogServerConfig } from '../../../config/logs-config.ts';
import { connectToLogServer } from './connection.ts';
import { openParent } from './directories.ts';
import { LogServerFiles } from './files.ts';

/**
 * Logs in, and makes and removes an empty directory. Resolves to the free bytes there; null: unknown.
 * @throws OperationError
 */
export async function probeLogServer(config: LogServerConfig, signal: AbortSignal): Promise<number | null> {
  const client = await connectToLogServer(config, signal);
  try {
    return await LogServerFiles.using(client, signal, async (files) => {
      const root = await openParent(files, config.dir, []);
      const path = `${root}/.sos-ci-doctor-${randomBytes(6).toString('hex')}`;
      await files.makeDirectory(path);
      await files.removeTree(path);
      return files.freeBytes(root);
    });
  } finally {
    await client.close();
  }
}
