/**
 * Starts a run on a node, or finds the one that was started before, so that there are never two. A call that is
 * repeated after a cut connection continues where the last one stopped.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import { OperationError } from '../../errors.ts';
import { RUNNER, type RunBounds, type RunnerOptions, runnerArguments } from '../run/runner-protocol.ts';
import { shellQuoted } from '../run/shell-word.ts';
import type { SshClient } from './client/client.ts';
import { runNodeScript, type ScriptResult } from './command.ts';
import { NodeFiles } from './files.ts';

/** All paths are absolute paths on the node. */
export interface Launch extends RunnerOptions {
  readonly environment: Readonly<Record<string, string>>;
}

export interface LaunchOptions extends Launch, RunBounds {
  /** The server's own directory on the node, which exists. */
  readonly server: string;
  readonly commandTimeoutMs: number;
}

const SCRIPT = new URL('./launch.sh', import.meta.url);

/** Returns the runner's process id on the node, and whether this call started it. */
export async function launch(
  run: LaunchOptions,
  connection: SshClient,
  signal: AbortSignal,
): Promise<{ readonly pid: number; readonly startedHere: boolean }> {
  const { directory, commandTimeoutMs, startTimeoutMs } = run;
  await NodeFiles.using(connection, commandTimeoutMs, signal, async (files) => {
    await files.makeDirectories(run.server, directory);
    await files.put(join(directory, 'runner.sh'), readFileSync(RUNNER, 'utf8'));
    await files.put(join(directory, 'launch'), launchText(run));
  });
  const answer = await runNodeScript(
    connection,
    {
      operation: 'start stage',
      script: SCRIPT,
      args: [directory, String(Math.ceil(startTimeoutMs / 1000))],
      timeoutMs: startTimeoutMs + commandTimeoutMs,
    },
    signal,
  );
  return readAnswer(answer, connection.target);
}

/**
 * The file `launch` in a run directory on a node: the environment and arguments of one stage, and the runner that
 * receives them. It is a file and not a command line because its content comes from untrusted input. Inside single
 * quotes a shell takes every byte except the quote and NUL literally. PATH and LANG are the node's own. HOME is the
 * node's for a command whose environment sets none.
 */
export function launchText(launch: Launch): string {
  const { directory, environment } = launch;
  const assignments = Object.entries(environment).map(([name, value]) => shellQuoted(`${name}=${value}`));
  const runner = ['sh', `${directory}/runner.sh`, ...runnerArguments(launch)].map(shellQuoted);
  return [
    // Writes the process id to the file given as argument; `exec` keeps it for the runner.
    'printf "%s\\n" "$$" >"$1"',
    'cd / || exit 70',
    `exec env -i "PATH=$PATH" "LANG=\${LANG:-C.UTF-8}" "HOME=$HOME" ${assignments.join(' ')} ${runner.join(' ')}`,
    '',
  ].join('\n');
}

function readAnswer(
  { status, output }: ScriptResult,
  target: string,
): { readonly pid: number; readonly startedHere: boolean } {
  const [, word, number] = /^(started|found) (\d{1,10})\n$/.exec(output) ?? [];
  if (status === 0 && number !== undefined) return { pid: Number(number), startedHere: word === 'started' };
  const detail = output
    .replace(/^refused\n/, '')
    .trim()
    .slice(-500);
  throw failure(target, `the runner did not start: ${detail === '' ? `exit status ${status}` : detail}`);
}

function failure(target: string, message: string): OperationError {
  return new OperationError({
    operation: 'start stage',
    target,
    message,
    retryable: true,
    hint: 'check runner.err in the run directory on the node, its free disk space, and that it has util-linux',
  });
}
