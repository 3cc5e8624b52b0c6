/**
 * One Gerrit command over an open connection: standard input in, exit status and bounded output back. An ending
 * without an exit status is an error that says whether the server may have got the whole request, because only then
 * must a review be looked for before it is sent again.
 */
import type { ClientChannel } from 'ssh2';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { errorText, OperationError } from '../../../errors.ts';
import type { GerritConnection } from './ssh-connection.ts';
import { CutOff } from './unknown-outcome.ts';

export interface Command {
  /** Words; quoted here. */
  readonly argv: readonly string[];
  /** Sent and closed; null: nothing is sent. */
  readonly stdin: string | null;
  readonly timeoutMs: number;
  readonly stdoutLimitBytes: number;
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  /** Cut to a bounded length. */
  readonly stderr: string;
}

/** The cause of a CutOff: the answer is longer than anybody believes. */
export class AnswerTooLong extends Error {
  override readonly name = 'AnswerTooLong';
}

const STDERR_LIMIT_BYTES = 16 * 1024;

export async function runCommand(
  connection: GerritConnection,
  clock: Clock,
  command: Command,
  signal: AbortSignal,
): Promise<CommandResult> {
  const line = commandLine(command.argv);
  const operation = command.argv.slice(0, 2).join(' ');
  let sent = false;
  let over = false;
  let channel: ClientChannel | null = null;
  let disarm = (): void => {};
  let abort = (): void => {};
  let forget = (): void => {};
  const cutOff = (message: string, cause?: unknown): CutOff =>
    new CutOff(
      {
        operation,
        target: connection.target,
        message,
        retryable: true,
        hint: 'it is tried again by itself',
        cause,
      },
      sent,
    );
  try {
    return await new Promise<CommandResult>((resolve, reject) => {
      disarm = clock.after(command.timeoutMs, () =>
        reject(cutOff(`no answer to ${operation} within ${command.timeoutMs} ms`)),
      );
      abort = () => reject(cutOff(`${operation} was stopped`));
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) return abort();
      forget = connection.onClosed((error) =>
        reject(cutOff(`no answer to ${operation}: ${error?.message ?? 'connection closed'}`, error)),
      );
      connection
        .open(line, (opened) => {
          // Given up as not sent, so it is sent no more: the caller may ask again by then.
          if (over) return opened.close();
          channel = opened;
          collect(opened, command.stdoutLimitBytes, operation).then(resolve, (error) =>
            reject(cutOff(errorText(error), error)),
          );
          if (command.stdin !== null) sent = true;
          sendInput(opened, command.stdin);
        })
        .catch((error: unknown) =>
          reject(cutOff(`${operation} could not be started: ${errorText(error)}`, error)),
        );
    });
  } finally {
    over = true;
    disarm();
    forget();
    signal.removeEventListener('abort', abort);
    (channel as ClientChannel | null)?.close();
  }
}

/** Gerrit splits a command line by its own rules: quotes of both kinds and backslashes, no expansion. */
export function commandLine(argv: readonly string[]): string {
  return argv.map(quote).join(' ');
}

function quote(word: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a command line.
  if (/[\u0000-\u001f\u007f]/.test(word)) {
    throw new OperationError({
      operation: 'make command line',
      target: JSON.stringify(word.slice(0, 100)),
      message: 'a control character in an argument',
      retryable: false,
      hint: 'this name can not be given to Gerrit’s commands',
    });
  }
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Not by `end`: Node destroys a stream that both sides have ended, ssh2 then closes the channel on the server's
 * end of file, and Gerrit, which sends the exit status after that, drops it (every third to fifth time, measured).
 */
function sendInput(channel: ClientChannel, stdin: string | null): void {
  if (stdin === null || stdin === '') channel.eof();
  else channel.write(stdin, () => channel.eof());
}

/** Resolves with the exit status; rejects when there was none, or when the answer is too long to be believed. */
function collect(channel: ClientChannel, limitBytes: number, operation: string): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let stdoutBytes = 0;
    let stderrBytes = 0;
    let status: number | null = null;
    channel.on('exit', (code: number | null) => {
      status = code;
    });
    channel.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes <= limitBytes) stdout.push(chunk);
      else reject(new AnswerTooLong(`the answer to ${operation} is longer than ${limitBytes} bytes`));
    });
    channel.stderr.on('data', (chunk: Buffer) => {
      if (stderrBytes < STDERR_LIMIT_BYTES) stderr.push(chunk.subarray(0, STDERR_LIMIT_BYTES - stderrBytes));
      stderrBytes += chunk.length;
    });
    channel.on('error', reject);
    channel.on('close', () => {
      if (status === null) return reject(new Error(`${operation} ended without an exit status`));
      const text = (parts: Buffer[]): string => Buffer.concat(parts).toString('utf8');
      resolve({ status, stdout: text(stdout), stderr: text(stderr).trim() });
    });
  });
}
