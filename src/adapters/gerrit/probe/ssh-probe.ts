/**
 * Read-only check of Gerrit over SSH: login, permission to stream events, and the labels of a project. Runs the real
 * commands over one connection.
 */
import { z } from 'zod';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { OperationError, raceAbort } from '../../../errors.ts';
import type { SshChannel, SshClient } from '../../ssh/client/client.ts';
import { channelEnd } from '../stream/stream-session.ts';
import { queryRows } from '../transport/query.ts';
import { runGerrit } from '../transport/ssh-command.ts';
import { connectToGerrit, type GerritOptions } from '../transport/ssh-connection.ts';

const VERSION_LIMIT_BYTES = 4_096;
const VERSION_LENGTH = 60;

const row = z.object({
  submitRecords: z.array(z.object({ labels: z.array(z.object({ label: z.string().max(100) })).nullish() })),
});

export class SshProbe {
  readonly #connection: SshClient;
  readonly #options: GerritOptions;
  readonly #clock: Clock;

  private constructor(connection: SshClient, options: GerritOptions, clock: Clock) {
    this.#connection = connection;
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * @throws OperationError `verify host key`, `read known_hosts`, `authenticate`, or another one for any other reason
   */
  static async open(options: GerritOptions, clock: Clock, signal: AbortSignal): Promise<SshProbe> {
    return new SshProbe(await connectToGerrit(options, clock, signal), options, clock);
  }

  /** The output of Gerrit, such as `gerrit version 3.12.0`. */
  async version(signal: AbortSignal): Promise<string> {
    const command = {
      argv: ['gerrit', 'version'],
      stdin: null,
      timeoutMs: this.#options.commandTimeoutMs,
      maxStdoutBytes: VERSION_LIMIT_BYTES,
    };
    const { stdout } = await runGerrit(this.#connection, command, signal);
    return stdout.trim().replace(/\s+/g, ' ').slice(0, VERSION_LENGTH);
  }

  /**
   * Opens the stream and closes it again.
   * @param waitMs how long to wait for a refusal
   * @throws OperationError when refused
   */
  async stream(waitMs: number, signal: AbortSignal): Promise<void> {
    let close = (): void => {};
    let disarm = (): void => {};
    try {
      const stayedOpen = new Promise<void>((resolve, reject) => {
        const unsubscribe = this.#connection.onClosed((error) => reject(error ?? this.#connectionClosed()));
        const attach = (channel: SshChannel): void => {
          // Discards its events so that they do not block the channel.
          channel.resume();
          channelEnd(channel, this.#options).then(reject, reject);
          close = () => channel.close();
        };
        const bounds = { timeoutMs: this.#options.commandTimeoutMs, signal };
        const opened = this.#connection.exec('gerrit stream-events', attach, bounds);
        opened.then(() => {
          disarm = this.#clock.after(waitMs, () => {
            unsubscribe();
            resolve();
          });
        }, reject);
      });
      await raceAbort(stayedOpen, signal, () => this.#connectionClosed());
    } finally {
      disarm();
      close();
    }
  }

  /** The labels of an open change of the project; null when there is no such change. */
  async labels(project: string, signal: AbortSignal): Promise<readonly string[] | null> {
    const query = {
      target: `labels of ${project}`,
      terms: `project:{${project}} status:open limit:1`,
      parts: ['--submit-records'],
    } as const;
    const { rows } = await queryRows(this.#connection, this.#options, query, signal);
    const read = row.safeParse(rows[0]);
    if (!read.success) return null;
    const named = read.data.submitRecords.flatMap(({ labels }) => labels ?? []);
    return [...new Set(named.map(({ label }) => label))];
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #connectionClosed(): OperationError {
    return new OperationError({
      operation: 'read stream',
      target: this.#connection.target,
      message: 'the connection was closed',
      retryable: true,
      hint: 'try again',
    });
  }
}
