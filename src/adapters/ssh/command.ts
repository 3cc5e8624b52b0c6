/**
 * One short command on a node: a script of ours on its standard input, words of ours as its arguments, its exit status and
 * bounded output back. What the user's own start-up files print is passed over: the script says first that it begins, with
 * a token of this very call.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClientChannel } from 'ssh2';
import { GivenUp, OperationError } from '../../errors.ts';
import { after } from '../../timer.ts';
import type { SshConnection } from './connection.ts';
import { Away } from './connection-failure.ts';

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
const OUTPUT_LIMIT_BYTES = 64 * 1024;
/** What an error repeats of it. */
const SAID_LENGTH = 500;

/** Rejects with `Away` when no exit status came back, and may then be asked again. */
export async function ask(
  connection: SshConnection,
  command: NodeCommand,
  signal: AbortSignal,
): Promise<Answer> {
  const token = randomBytes(8).toString('hex');
  const call = new Call(connection, command, signal);
  try {
    const { status, text } = await call.run(token);
    const begin = text.indexOf(`${token}\n`);
    if (begin < 0) throw noShell(command, connection.target, status, text);
    return { status, output: text.slice(begin + token.length + 1) };
  } finally {
    call.close();
  }
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

class Call {
  readonly #connection: SshConnection;
  readonly #command: NodeCommand;
  readonly #signal: AbortSignal;
  #channel: ClientChannel | null = null;
  #over = false;
  #undo: (() => void)[] = [];

  constructor(connection: SshConnection, command: NodeCommand, signal: AbortSignal) {
    this.#connection = connection;
    this.#command = command;
    this.#signal = signal;
  }

  run(token: string): Promise<{ readonly status: number; readonly text: string }> {
    const { words, script, timeoutMs, operation } = this.#command;
    return new Promise((resolve, reject) => {
      const away = (message: string, cause?: unknown) =>
        reject(unanswered(operation, this.#connection.target, message, cause));
      let said = (): string => '';
      // Start-up files, or a program that asks for a password, may have said why.
      const cancel = after(timeoutMs, () => {
        const text = said().replace(`${token}\n`, '').trim().slice(-SAID_LENGTH);
        away(`no answer within ${timeoutMs} ms${text === '' ? '' : `; it said: ${text}`}`);
      });
      const abort = () => reject(new GivenUp(operation, this.#connection.target));
      this.#signal.addEventListener('abort', abort, { once: true });
      const forget = this.#connection.onClosed((error) => away(error.message, error));
      this.#undo = [cancel, () => this.#signal.removeEventListener('abort', abort), forget];
      if (this.#signal.aborted) return abort();
      this.#connection
        .start(
          scriptWords(token, words),
          (channel) => {
            // Given up before it began: nothing of it runs on the node any more.
            if (this.#over) return channel.close();
            this.#channel = channel;
            said = collect(channel, resolve, away);
            // Its end is what a script takes for the end of us, so it comes with the end of the call.
            channel.write(scriptText(script));
          },
          { timeoutMs, signal: this.#signal },
        )
        .catch(reject);
    });
  }

  close(): void {
    this.#over = true;
    for (const undo of this.#undo) undo();
    this.#channel?.close();
  }
}

/** Returns what gives the text so far. */
function collect(
  channel: ClientChannel,
  resolve: (result: { readonly status: number; readonly text: string }) => void,
  away: (message: string, cause?: unknown) => void,
): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let status: number | null = null;
  const text = (): string => Buffer.concat(chunks).toString('utf8');
  const take = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= OUTPUT_LIMIT_BYTES) chunks.push(chunk);
    else away(`its answer is longer than ${OUTPUT_LIMIT_BYTES} bytes`);
  };
  channel.on('data', take);
  channel.stderr.on('data', take);
  channel.on('exit', (code: number | null) => {
    status = code;
  });
  channel.on('error', (error: Error) => away(error.message, error));
  channel.on('close', () => {
    if (status === null) away('it ended without an exit status');
    else resolve({ status, text: text() });
  });
  return text;
}

function unanswered(operation: string, target: string, message: string, cause: unknown): Away {
  return new Away({
    operation,
    target,
    message: `${operation}: ${message}`,
    retryable: true,
    hint: 'it is tried again by itself',
    cause,
  });
}

function noShell(command: NodeCommand, target: string, status: number, text: string): OperationError {
  return new OperationError({
    operation: command.operation,
    target,
    message: `the node ran no script of ours (exit status ${status}): ${text.trim().slice(-SAID_LENGTH) || 'it said nothing'}`,
    retryable: false,
    hint: 'the account on the node needs a shell that runs sh, and no forced command',
  });
}
