/** Sends a job's secrets to a node, as files of mode 0600 in a folder of the server's directory. */
import type { JobSecret } from '../run/job-secrets.ts';
import type { SshClient } from './client/client.ts';
import { NodeFiles } from './files.ts';

/** It is removed with the server's directory. */
export function secretsFolder(server: string): string {
  return `${server}/secrets`;
}

export async function sendSecrets(
  secrets: readonly JobSecret[],
  to: { readonly connection: SshClient; readonly server: string; readonly commandTimeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  if (secrets.length === 0) return;
  await NodeFiles.using(to.connection, to.commandTimeoutMs, signal, async (files) => {
    const folder = secretsFolder(to.server);
    await files.makeDirectories(to.server, folder);
    for (const { name, content } of secrets) await files.put(`${folder}/${name}`, content);
  });
}
