/**
 * Limits git's SSH connections to Gerrit. Gerrit limits the connections per account (sshd.maxConnectionsPerUser) and
 * does not expose the limit. After a refusal, fewer connections are made at a time until all current ones have ended.
 * The operator is alerted when Gerrit refuses even a single connection.
 */
import type { OperationError } from '../../errors.ts';
import { type GitCommand, TooManyConnections } from './command.ts';

export interface ConnectionLimitOptions {
  /** Closes a connection that this program keeps open besides git's. Returns false when there is none. */
  readonly freeConnection: () => Promise<boolean>;
  /** Called when Gerrit refuses git's only connection, and with null when it accepts one again. */
  readonly onRefused: (error: OperationError | null) => void;
  /** Called when the number of connections has changed. */
  readonly onChange: () => void;
}

export class ConnectionLimit {
  readonly #options: ConnectionLimitOptions;
  readonly #waiting = new Set<() => void>();
  #limit = Number.POSITIVE_INFINITY;
  #taken = 0;
  #refused = false;

  constructor(options: ConnectionLimitOptions) {
    this.#options = options;
  }

  /** Current number of git connections. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Runs `work`, which makes one connection. After a refusal, runs it again once another of our connections has ended.
   */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.#acquire(signal);
      try {
        const result = await work();
        this.#reportRefusal(null);
        return result;
      } catch (error) {
        if (!(error instanceof TooManyConnections) || signal.aborted) throw error;
        if (this.#taken > 1) this.#limit = this.#taken - 1;
        else if (!(await this.#options.freeConnection())) {
          this.#reportRefusal(error);
          throw error;
        }
      } finally {
        this.#release();
      }
    }
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    while (this.#taken >= this.#limit) await this.#nextChange(signal);
    signal.throwIfAborted();
    this.#taken += 1;
    this.#options.onChange();
  }

  #release(): void {
    this.#taken -= 1;
    // The learned limit is temporary: other programs use the account too.
    if (this.#taken === 0) this.#limit = Number.POSITIVE_INFINITY;
    for (const wake of this.#waiting) wake();
    this.#options.onChange();
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      if (signal.aborted) return done();
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #reportRefusal(error: OperationError | null): void {
    if (this.#refused === (error !== null)) return;
    this.#refused = error !== null;
    this.#options.onRefused(error);
  }
}

/** Runs a git command that may use SSH to Gerrit. Other protocols use no connection of the account. */
export function overSsh<T>(
  connectionLimit: ConnectionLimit,
  command: Pick<GitCommand, 'protocol' | 'signal'>,
  run: () => Promise<T>,
): Promise<T> {
  return command.protocol === 'ssh' ? connectionLimit.use(command.signal, run) : run();
}
