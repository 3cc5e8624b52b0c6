/** Sends a job's secrets to a node, as files of mode 0600 in a subdirectory of the server's. */
import type { JobSecret } from '../run/job-secrets.ts';
import type { SshClient } from './client/client.ts';
import { NodeFiles } from './files.ts';

/** Removed with the server's directory, or before that when the server is opened for a person. */
export function secretsDirectory(server: string): string {
  return `${server}/secrets`;
}

export async function sendSecrets(
  secrets: readonly JobSecret[],
  to: { readonly connection: SshClient; readonly server: string; readonly commandTimeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  if (secrets.length === 0) return;
  await NodeFiles.using(to.connection, to.commandTimeoutMs, signal, async (files) => {
    const directory = secretsDirectory(to.server);
    await files.makeDirectories(to.server, directory);
    for (const { name, content } of secrets) await files.put(`${directory}/${name}`, content);
  });
}
