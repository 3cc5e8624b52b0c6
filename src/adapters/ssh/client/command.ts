/**
 * Runs one command over an open connection: standard input in, exit status and bounded output back. A command that ends
 * without an exit status is a CommandFailure, which reports whether the input was sent: only then can the command have
 * had an effect.
 */
import { errorText } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import type { SshChannel, SshClient } from './client.ts';

export interface SshCommand {
  readonly line: string;
  /** Null: no input, and the command reads end of file immediately. */
  readonly stdin: string | null;
  /** False: standard input ends only when the channel closes. */
  readonly endStdin: boolean;
  readonly timeoutMs: number;
  readonly maxStdoutBytes: number;
  /** True: standard error is merged into standard output, in the order of arrival. */
  readonly mergeStderr: boolean;
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  /** Truncated to a bounded length. */
  readonly stderr: string;
}

export type CommandFailureKind =
  | 'timeout'
  | 'stopped'
  | 'closed'
  | 'not-started'
  | 'too-long'
  | 'no-exit-status'
  | 'channel-error';

export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly kind: CommandFailureKind;
  /** True: the server may have received all of standard input. */
  readonly sent: boolean;
  /** Standard output up to the failure. */
  readonly output: string;

  constructor(
    kind: CommandFailureKind,
    message: string,
    sent: boolean,
    output: string,
    cause: unknown = undefined,
  ) {
    super(message, { cause });
    this.kind = kind;
    this.sent = sent;
    this.output = output;
  }
}

const MAX_STDERR_BYTES = 16 * 1024;

/** @throws CommandFailure */
export async function runCommand(
  client: SshClient,
  command: SshCommand,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { timeoutMs } = command;
  const output = new Output(command);
  let sent = false;
  let finished = false;
  let channel: SshChannel | null = null;
  let undo: (() => void)[] = [];
  try {
    return await new Promise<CommandResult>((resolve, reject) => {
      const fail = (kind: CommandFailureKind, message: string, cause?: unknown): void =>
        reject(new CommandFailure(kind, message, sent, output.stdout, cause));
      const abort = (): void => fail('stopped', 'it was stopped');
      signal.addEventListener('abort', abort, { once: true });
      undo = [
        client.after(timeoutMs, () => fail('timeout', `no answer within ${formatLimit(timeoutMs)}`)),
        () => signal.removeEventListener('abort', abort),
        client.onClosed((error) => fail('closed', error?.message ?? 'connection closed', error)),
      ];
      if (signal.aborted) return abort();
      const attach = (opened: SshChannel): void => {
        // The caller already knows that nothing was sent, and may have retried by now.
        if (finished) {
          opened.close();
          return;
        }
        channel = opened;
        output.collect(opened, resolve, fail);
        if (command.stdin !== null) sent = true;
        sendInput(opened, command);
      };
      client
        .exec(command.line, attach, { timeoutMs, signal })
        .catch((error: unknown) =>
          fail('not-started', `it could not be started: ${errorText(error)}`, error),
        );
    });
  } finally {
    finished = true;
    for (const step of undo) step();
    (channel as SshChannel | null)?.close();
  }
}

/**
 * Does not use `end`: Node destroys a stream that both sides have ended, ssh2 then closes the channel on the server's
 * end of file, and Gerrit, which sends the exit status after that, drops the status (measured: one time in three to
 * five).
 */
function sendInput(channel: SshChannel, { stdin, endStdin }: SshCommand): void {
  if (stdin === null || stdin === '') channel.eof();
  else if (endStdin) channel.write(stdin, () => channel.eof());
  else channel.write(stdin);
}

class Output {
  readonly #command: SshCommand;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];

  constructor(command: SshCommand) {
    this.#command = command;
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString('utf8');
  }

  collect(
    channel: SshChannel,
    done: (result: CommandResult) => void,
    fail: (kind: CommandFailureKind, message: string, cause?: unknown) => void,
  ): void {
    const { maxStdoutBytes, mergeStderr } = this.#command;
    let stdoutBytes = 0;
    let stderrBytes = 0;
    let status: number | null = null;
    const takeStdout = (chunk: Buffer): void => {
      stdoutBytes += chunk.length;
      if (stdoutBytes <= maxStdoutBytes) this.#stdout.push(chunk);
      else fail('too-long', `its answer is longer than ${maxStdoutBytes} bytes`);
    };
    const takeStderr = (chunk: Buffer): void => {
      if (stderrBytes < MAX_STDERR_BYTES)
        this.#stderr.push(chunk.subarray(0, MAX_STDERR_BYTES - stderrBytes));
      stderrBytes += chunk.length;
    };
    channel.on('data', takeStdout);
    channel.stderr.on('data', mergeStderr ? takeStdout : takeStderr);
    channel.on('exit', (code: number | null) => {
      status = code;
    });
    channel.on('error', (error: Error) => fail('channel-error', error.message, error));
    channel.on('close', () => {
      if (status === null) return fail('no-exit-status', 'it ended without an exit status');
      const stderr = Buffer.concat(this.#stderr).toString('utf8').trim();
      done({ status, stdout: this.stdout, stderr });
    });
  }
}
