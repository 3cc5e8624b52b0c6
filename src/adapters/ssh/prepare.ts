/**
 * Makes a server's directory on a node and sees that the programs are there that every job needs. Done again, it changes
 * nothing; so it comes before whatever needs the directory, also when a server was found that somebody else had made.
 */
import { OperationError } from '../../errors.ts';
import type { SshClient } from './client/client.ts';
import { type Answer, ask } from './command.ts';

const SCRIPT = new URL('./prepare.sh', import.meta.url);

export async function prepareDirectory(
  connection: SshClient,
  directory: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const command = { operation: 'prepare node', script: SCRIPT, words: [directory], timeoutMs };
  const answer = await ask(connection, command, signal);
  if (answer.status !== 0 || answer.output !== 'ready\n')
    throw unprepared(connection.target, directory, answer);
}

function unprepared(target: string, directory: string, { status, output }: Answer): OperationError {
  const [, missing] = /^missing((?: [a-z/]{1,20})+)\n$/.exec(output) ?? [];
  const problem =
    missing === undefined
      ? `${directory} could not be made (${status}): ${output.trim().slice(-300)}`
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
