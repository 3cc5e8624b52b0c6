/**
 * The one error that adapters throw. Whether trying again can help is decided where the status code is at hand,
 * never by searching text; the hint says what an operator should do next.
 */

export interface OperationErrorFields {
  /** What was tried, as verb and noun: `create server`, `post review`. */
  readonly operation: string;
  /** On what: a host, a path, a change. Never a secret. */
  readonly target: string;
  readonly message: string;
  readonly retryable: boolean;
  /** What to do next, in one line. */
  readonly hint: string;
  readonly cause?: unknown;
}

/** An operation on the outside world that failed in a way that we foresaw. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  readonly operation: string;
  readonly target: string;
  readonly retryable: boolean;
  readonly hint: string;

  constructor(fields: OperationErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.operation = fields.operation;
    this.target = fields.target;
    this.retryable = fields.retryable;
    this.hint = fields.hint;
  }
}

/**
 * Work that was ended from outside: its deadline, a cancellation, a daemon that stops. What is known of why it was not done
 * by then is `last`; it is in the message, so that the deadline never hides a cause.
 */
export class AbortedError extends OperationError {
  readonly last: OperationError | null;

  constructor(operation: string, target: string, last: OperationError | null = null) {
    const message = 'aborted before it was done';
    super({
      operation,
      target,
      message: last === null ? message : `${message}; last: ${last.message}`,
      retryable: true,
      hint: last?.hint ?? 'none needed: it took too long, was cancelled, or the daemon stops',
      cause: last ?? undefined,
    });
    this.last = last;
  }
}

/** @throws AbortedError when the signal has aborted */
export function throwIfAborted(signal: AbortSignal, operation: string, target: string): void {
  if (signal.aborted) throw new AbortedError(operation, target);
}

/** What `work` comes to, or AbortedError as soon as the signal aborts: for work that others wait for too. */
export function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  operation: string,
  target: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new AbortedError(operation, target));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** The text of anything that was thrown, for a log line or a Failure. */
export function errorText(thrown: unknown): string {
  // One name with several addresses: its own message is empty.
  if (thrown instanceof AggregateError) return thrown.errors.map(errorText).join('; ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What ssh2 and node's sockets say beside the message: which part failed, and its code. */
export function failureMarks(thrown: unknown): { readonly level: unknown; readonly code: unknown } {
  if (typeof thrown !== 'object' || thrown === null) return { level: undefined, code: undefined };
  const { level, code } = thrown as { readonly level?: unknown; readonly code?: unknown };
  return { level, code };
}
