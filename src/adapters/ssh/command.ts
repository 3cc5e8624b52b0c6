/**
 * Runs one short command on a node: our script on standard input, its arguments on the command line, its exit status
 * and bounded output back. The script first prints a token unique to this call, so that output of the user's start-up
 * files before the token is skipped.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AbortedError, OperationError } from '../../errors.ts';
import type { SshClient } from './client/client.ts';
import { CommandFailure, type CommandResult, runCommand } from './client/command.ts';
import { commandLine } from './connection.ts';
import { NodeUnreachable } from './connection-failure.ts';

export interface NodeCommand {
  /** The purpose, in an operator's terms. */
  readonly operation: string;
  /** A script in this file's directory. */
  readonly script: URL;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** By sudo, without a password. */
  readonly asRoot?: boolean;
}

export interface ScriptResult {
  readonly status: number;
  /** The output after the token, truncated to a bounded length. */
  readonly output: string;
}

/** Caches the text of scripts, which do not change while the daemon runs. */
const texts = new Map<string, string>();
/** More than any of our scripts prints, or any start-up file should print. */
const MAX_OUTPUT_BYTES = 64 * 1024;
/** The number of characters of the output that an error message quotes. */
const OUTPUT_LENGTH = 500;

/** Rejects with `NodeUnreachable` when no exit status is received; the call may then be repeated. */
export async function runNodeScript(
  connection: SshClient,
  command: NodeCommand,
  signal: AbortSignal,
): Promise<ScriptResult> {
  const token = randomBytes(8).toString('hex');
  const { status, stdout } = await runScript(connection, command, token, signal);
  const begin = stdout.indexOf(`${token}\n`);
  if (begin < 0) throw noShell(command, connection.target, status, stdout);
  return { status, output: stdout.slice(begin + token.length + 1) };
}

/** The command words that run a script from standard input with these arguments. */
export function scriptCommand(token: string, args: readonly string[]): readonly string[] {
  return ['sh', '-s', '--', token, ...args];
}

export function scriptText(script: URL): string {
  const known = texts.get(script.href);
  if (known !== undefined) return known;
  const text = readFileSync(script, 'utf8');
  texts.set(script.href, text);
  return text;
}

async function runScript(
  connection: SshClient,
  { script, args, timeoutMs, operation, asRoot = false }: NodeCommand,
  token: string,
  signal: AbortSignal,
): Promise<CommandResult> {
  const command = {
    line: commandLine([...(asRoot ? ['sudo', '-n', '--'] : []), ...scriptCommand(token, args)]),
    stdin: scriptText(script),
    // A script treats the end of its standard input as the end of the daemon.
    endStdin: false,
    timeoutMs,
    maxStdoutBytes: MAX_OUTPUT_BYTES,
    mergeStderr: true,
  };
  try {
    return await runCommand(connection, command, signal);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    if (error.kind === 'stopped') throw new AbortedError(operation, connection.target);
    if (error.kind === 'not-started') throw error.cause;
    // On a timeout, the output of start-up files or of a password prompt may show the cause.
    const text = error.kind === 'timeout' ? endOf(error.output.replace(`${token}\n`, '')) : '';
    throw new NodeUnreachable({
      operation,
      target: connection.target,
      message: `${operation}: ${error.message}${text === '' ? '' : `; its output: ${text}`}`,
      retryable: true,
      hint: 'sos-ci retries automatically',
      cause: error,
    });
  }
}

function endOf(text: string): string {
  return text.trim().slice(-OUTPUT_LENGTH);
}

function noShell(command: NodeCommand, target: string, status: number, text: string): OperationError {
  return new OperationError({
    operation: command.operation,
    target,
    message: `the node did not run our script (exit status ${status}): ${endOf(text) || 'no output'}`,
    retryable: false,
    hint: command.asRoot
      ? 'a run belongs to another user: let the account use sudo without a password, or stop the run by hand'
      : 'the shell of the account on the node must run sh, and the account must have no forced command',
  });
}
