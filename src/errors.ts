/**
 * The only error type that adapters throw. The code that has the status decides whether a retry can succeed; no code
 * searches error texts. The hint names the next step for an operator.
 */

export interface OperationErrorFields {
  /** The attempted operation, as verb and noun: `create server`, `post review`. */
  readonly operation: string;
  /** The target: a host, a path, a change. Never a secret. */
  readonly target: string;
  readonly message: string;
  readonly retryable: boolean;
  /** The next step, in one line. */
  readonly hint: string;
  /** The server of a job could not be reached. By default false. */
  readonly unreachable?: boolean;
  readonly cause?: unknown;
}

/** An expected failure of an operation on the outside world. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  readonly operation: string;
  readonly target: string;
  readonly retryable: boolean;
  readonly hint: string;
  readonly unreachable: boolean;

  constructor(fields: OperationErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.operation = fields.operation;
    this.target = fields.target;
    this.retryable = fields.retryable;
    this.hint = fields.hint;
    this.unreachable = fields.unreachable ?? false;
  }
}

/**
 * Work that was ended from outside: by its deadline, a cancellation, or a stop of the daemon. `last` is the last known
 * error before the abort; the message includes it, so a deadline never hides a cause.
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

/**
 * Resolves like `work`, or rejects with AbortedError as soon as the signal aborts: for work that other callers also
 * await.
 */
export function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  operation: string,
  target: string,
): Promise<T> {
  return raceAbort(work, signal, () => new AbortedError(operation, target));
}

/** Resolves like `work`, or rejects with `reason()` as soon as the signal aborts. */
export function raceAbort<T>(work: Promise<T>, signal: AbortSignal, reason: () => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(reason());
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** The text of anything that was thrown, for a log line or a Failure. */
export function errorText(thrown: unknown): string {
  // A connection error for a name with several addresses has an empty message.
  if (thrown instanceof AggregateError) return thrown.errors.map(errorText).join('; ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The fields of ssh2 and socket errors beside the message: the level and the code. */
export function levelAndCode(thrown: unknown): { readonly level: unknown; readonly code: unknown } {
  if (typeof thrown !== 'object' || thrown === null) return { level: undefined, code: undefined };
  const { level, code } = thrown as { readonly level?: unknown; readonly code?: unknown };
  return { level, code };
}
