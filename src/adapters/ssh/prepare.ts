/**
 * Creates a server's directory on a node and checks for the programs that every job needs. It is idempotent, so it runs
 * before everything that needs the directory, even for a server that another process created.
 */
import { OperationError } from '../../errors.ts';
import type { SshClient } from './client/client.ts';
import { runNodeScript, type ScriptResult } from './command.ts';

const SCRIPT = new URL('./prepare.sh', import.meta.url);

export async function prepareDirectory(
  connection: SshClient,
  directory: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const command = { operation: 'prepare node', script: SCRIPT, args: [directory], timeoutMs };
  const answer = await runNodeScript(connection, command, signal);
  if (answer.status !== 0 || answer.output !== 'ready\n')
    throw unprepared(connection.target, directory, answer);
}

function unprepared(target: string, directory: string, { status, output }: ScriptResult): OperationError {
  const [, missing] = /^missing((?: [a-z/]{1,20})+)\n$/.exec(output) ?? [];
  const problem =
    missing === undefined
      ? `${directory} could not be created (${status}): ${output.trim().slice(-300)}`
      : `it lacks${missing}`;
  return new OperationError({
    operation: 'prepare node',
    target,
    message: problem,
    retryable: true,
    hint:
      missing === undefined
        ? 'the directory of the provider must be one that the account on the node may write to'
        : 'install them on the node: apt-get install util-linux coreutils grep git',
  });
}
