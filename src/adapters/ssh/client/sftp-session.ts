/**
 * Requests of one SFTP session. Every request has a deadline, because a server may never answer. Each piece of work has
 * its own session, closed afterwards, so that a session that hangs blocks no other work.
 */
import { errorText, type OperationError } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import { after } from '../../../timer.ts';
import { type ChannelBounds, SFTP_STATUS, type Sftp, type SshClient } from './client.ts';

/** The errors that the session's user wants to see. */
export interface SftpErrors {
  /** The server answered that the request cannot be done: no such file, no permission, disk full. */
  refused(code: number, message: string): OperationError;
  /** No answer in time. The requested file may be the cause. */
  timeout(message: string): OperationError;
  /** No answer, because the session ended. */
  unreachable(message: string, cause: unknown): OperationError;
  aborted(): OperationError;
}

type Done<T> = (error?: Error | null, answer?: T) => void;

export class SftpSession {
  readonly #sftp: Sftp;
  readonly #errors: SftpErrors;
  readonly #timeoutMs: number;
  readonly #failures = new Set<(error: OperationError) => void>();
  #failed: OperationError | null = null;

  private constructor(sftp: Sftp, errors: SftpErrors, timeoutMs: number) {
    this.#sftp = sftp;
    this.#errors = errors;
    this.#timeoutMs = timeoutMs;
    sftp.on('error', (error: Error) => this.#fail(errors.unreachable(errorText(error), error)));
    sftp.on('close', () => this.#fail(errors.unreachable('its SFTP session ended', null)));
  }

  /** Runs `work` with its own session. The timeout applies to each request. */
  static async using<T>(
    connection: SshClient,
    { timeoutMs, signal }: ChannelBounds,
    errors: SftpErrors,
    work: (session: SftpSession) => Promise<T>,
  ): Promise<T> {
    const session = new SftpSession(await connection.openSftp({ timeoutMs, signal }), errors, timeoutMs);
    const abort = () => session.#fail(errors.aborted());
    const unsubscribe = connection.onClosed((error) => (error === null ? abort() : session.#fail(error)));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      return await work(session);
    } finally {
      signal.removeEventListener('abort', abort);
      unsubscribe();
      session.#sftp.end();
    }
  }

  /** With `bounded` false, only the signal ends the request. */
  request<T>(send: (sftp: Sftp, done: Done<T>) => void, bounded = true): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== null) return reject(this.#failed);
      const end = (): void => {
        cancel();
        this.#failures.delete(fail);
      };
      const fail = (error: OperationError): void => {
        end();
        reject(error);
      };
      const cancel = after(bounded ? this.#timeoutMs : Number.POSITIVE_INFINITY, () => {
        // The oldest request caused the hang; later requests only wait behind it.
        const message = `no answer to a file request within ${formatLimit(this.#timeoutMs)}`;
        fail(this.#errors.timeout(message));
        this.#fail(this.#errors.unreachable(message, null));
      });
      this.#failures.add(fail);
      try {
        send(this.#sftp, (error, answer) => {
          end();
          if (error === undefined || error === null) resolve(answer as T);
          else reject(this.#failed ?? this.#translate(error));
        });
      } catch (error) {
        end();
        reject(this.#failed ?? this.#errors.unreachable(errorText(error), error));
      }
    });
  }

  /** An SFTP status code is the server's answer; any other error means that no answer was received. */
  #translate(error: Error): OperationError {
    const code = 'code' in error ? error.code : undefined;
    const answered = typeof code === 'number' && code !== SFTP_STATUS.CONNECTION_LOST;
    return answered
      ? this.#errors.refused(code, errorText(error))
      : this.#errors.unreachable(errorText(error), error);
  }

  /** Ends the session after its first failure. */
  #fail(error: OperationError): void {
    if (this.#failed !== null) return;
    this.#failed = error;
    for (const fail of [...this.#failures]) fail(error);
    this.#sftp.end();
  }
}
