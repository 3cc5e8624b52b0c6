/** Sends the operator's script to a new directory in a server's directory, over SFTP. */
import { dirname } from 'node:path/posix';
import type { ScriptSnapshot } from '../run/script-snapshot.ts';
import type { SshClient } from './client/client.ts';
import { NodeFiles } from './files.ts';

/** Each file takes three requests; more of them in flight hide the latency. */
const AT_ONCE = 8;

/** @param directory is below `server`, and does not exist yet */
export async function sendScript(
  script: ScriptSnapshot,
  directory: string,
  to: { readonly connection: SshClient; readonly server: string; readonly commandTimeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  await NodeFiles.using(to.connection, to.commandTimeoutMs, signal, async (files) => {
    const directories = new Set(script.files.map(({ path }) => dirname(`${directory}/${path}`)));
    for (const directory of directories) await files.makeDirectories(to.server, directory);
    const waiting = [...script.files];
    const send = async (): Promise<void> => {
      for (let file = waiting.pop(); file !== undefined; file = waiting.pop())
        await files.create(`${directory}/${file.path}`, file.content, file.executable ? 0o700 : 0o600);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, send));
  });
}
