/**
 * Runs Gerrit's commands over SSH. A command that ends without an exit status throws an UnknownOutcomeError, which says
 * whether Gerrit may have the whole request: only then must a review be looked up before it is sent again.
 */
import { OperationError } from '../../../errors.ts';
import { shellQuoted } from '../../run/shell-word.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { CommandFailure, type CommandResult, runCommand } from '../../ssh/client/command.ts';
import { UnknownOutcomeError } from './unknown-outcome.ts';

export interface GerritCommand {
  /** Arguments, which `runGerrit` quotes. */
  readonly argv: readonly string[];
  /** Written to standard input, which is then closed; null sends nothing. */
  readonly stdin: string | null;
  readonly timeoutMs: number;
  readonly maxStdoutBytes: number;
}

/** @throws UnknownOutcomeError, whose cause is a CommandFailure */
export async function runGerrit(
  connection: SshClient,
  command: GerritCommand,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { argv, ...rest } = command;
  const line = commandLine(argv);
  try {
    return await runCommand(connection, { ...rest, line, endStdin: true, mergeStderr: false }, signal);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const operation = argv.slice(0, 2).join(' ');
    const fields = {
      operation,
      target: connection.target,
      message: `${operation}: ${error.message}`,
      retryable: true,
      hint: 'sos-ci retries automatically',
      cause: error,
    };
    throw new UnknownOutcomeError(fields, error.sent);
  }
}

/** Gerrit splits command lines by its own rules: both kinds of quotes and backslashes, no expansion. */
export function commandLine(argv: readonly string[]): string {
  return argv.map(quote).join(' ');
}

function quote(word: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach a command line.
  if (/[\u0000-\u001f\u007f]/.test(word)) {
    throw new OperationError({
      operation: 'build command line',
      target: JSON.stringify(word.slice(0, 100)),
      message: 'a control character in an argument',
      retryable: false,
      hint: "this name cannot be passed to Gerrit's commands",
    });
  }
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : shellQuoted(word);
}
