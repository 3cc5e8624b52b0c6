/**
 * One short command on a node: a script of ours on its standard input, words of ours as its arguments, its exit status and
 * bounded output back. The script first prints a token of this call, so that what the user's start-up files print before
 * it is passed over.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AbortedError, OperationError } from '../../errors.ts';
import type { SshClient } from './client/client.ts';
import { CommandFailure, type CommandResult, runCommand } from './client/command.ts';
import { wordLine } from './connection.ts';
import { NodeUnreachable } from './connection-failure.ts';

export interface NodeCommand {
  /** What it is for, in the words of an operator. */
  readonly operation: string;
  /** A script that lies beside this file. */
  readonly script: URL;
  readonly words: readonly string[];
  readonly timeoutMs: number;
}

export interface Answer {
  readonly status: number;
  /** What it printed after its token, cut to a bounded length. */
  readonly output: string;
}

/** Scripts do not change while we run: their text is read once. */
const texts = new Map<string, string>();
/** More than any of our scripts prints, and any start-up file should. */
const MAX_OUTPUT_BYTES = 64 * 1024;
/** What an error repeats of it. */
const SAID_LENGTH = 500;

/** Rejects with `NodeUnreachable` when no exit status came back, and may then be asked again. */
export async function ask(connection: SshClient, command: NodeCommand, signal: AbortSignal): Promise<Answer> {
  const token = randomBytes(8).toString('hex');
  const { status, stdout } = await runScript(connection, command, token, signal);
  const begin = stdout.indexOf(`${token}\n`);
  if (begin < 0) throw noShell(command, connection.target, status, stdout);
  return { status, output: stdout.slice(begin + token.length + 1) };
}

/** Words that run a script from standard input with these arguments. */
export function scriptWords(token: string, words: readonly string[]): readonly string[] {
  return ['sh', '-s', '--', token, ...words];
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
  { script, words, timeoutMs, operation }: NodeCommand,
  token: string,
  signal: AbortSignal,
): Promise<CommandResult> {
  const command = {
    line: wordLine(scriptWords(token, words)),
    stdin: scriptText(script),
    // A script takes the end of its standard input for the end of us.
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
    // On a timeout, start-up files, or a program that asks for a password, may have said why.
    const text = error.kind === 'timeout' ? said(error.output.replace(`${token}\n`, '')) : '';
    throw new NodeUnreachable({
      operation,
      target: connection.target,
      message: `${operation}: ${error.message}${text === '' ? '' : `; it said: ${text}`}`,
      retryable: true,
      hint: 'it is tried again automatically',
      cause: error,
    });
  }
}

function said(text: string): string {
  return text.trim().slice(-SAID_LENGTH);
}

function noShell(command: NodeCommand, target: string, status: number, text: string): OperationError {
  return new OperationError({
    operation: command.operation,
    target,
    message: `the node ran no script of ours (exit status ${status}): ${said(text) || 'it said nothing'}`,
    retryable: false,
    hint: 'the account on the node needs a shell that runs sh, and no forced command',
  });
}
