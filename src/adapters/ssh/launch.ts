/**
 * Starts a run on a node, or finds the one that was started before, so that there are never two. A call that is
 * repeated after a cut connection continues from wherever the last one stopped.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import { OperationError } from '../../errors.ts';
import { RUNNER, type RunBounds } from '../run/runner-protocol.ts';
import type { SshClient } from './client/client.ts';
import { type Answer, ask } from './command.ts';
import { NodeFiles } from './files.ts';
import { type Launch, launchText } from './launch-script.ts';

export interface Launching extends Launch, RunBounds {
  /** The server's own directory on the node, which exists. */
  readonly server: string;
  readonly commandTimeoutMs: number;
}

const SCRIPT = new URL('./launch.sh', import.meta.url);

/** Returns the runner's process id on the node, and whether this call started it. */
export async function launch(
  run: Launching,
  connection: SshClient,
  signal: AbortSignal,
): Promise<{ readonly pid: number; readonly ours: boolean }> {
  const { directory, commandTimeoutMs, startTimeoutMs } = run;
  await NodeFiles.using(connection, commandTimeoutMs, signal, async (files) => {
    await files.makeDirectories(run.server, directory);
    await files.put(join(directory, 'runner.sh'), readFileSync(RUNNER, 'utf8'));
    await files.put(join(directory, 'launch'), launchText(run));
  });
  const answer = await ask(
    connection,
    {
      operation: 'start stage',
      script: SCRIPT,
      words: [directory, String(Math.ceil(startTimeoutMs / 1000))],
      timeoutMs: startTimeoutMs + commandTimeoutMs,
    },
    signal,
  );
  return readAnswer(answer, connection.target);
}

function readAnswer(
  { status, output }: Answer,
  target: string,
): { readonly pid: number; readonly ours: boolean } {
  const [, word, number] = /^(started|found) (\d{1,10})\n$/.exec(output) ?? [];
  if (status === 0 && number !== undefined) return { pid: Number(number), ours: word === 'started' };
  const detail = output
    .replace(/^refused\n/, '')
    .trim()
    .slice(-500);
  throw failure(target, `the runner gave up: ${detail === '' ? `exit status ${status}` : detail}`);
}

function failure(target: string, message: string): OperationError {
  return new OperationError({
    operation: 'start stage',
    target,
    message,
    retryable: true,
    hint: 'see runner.err in the run directory on the node, and whether it has room and util-linux',
  });
}
