/**
 * git's connections to Gerrit by SSH. Gerrit limits the connections of one account (sshd.maxConnectionsPerUser), and
 * nobody outside knows the limit: when one is refused, fewer are made at a time until those under way have ended. The
 * operator is told when not even one is accepted.
 */
import type { OperationError } from '../../errors.ts';
import { type GitCommand, TooManyConnections } from './command.ts';

export interface ConnectionLimitOptions {
  /** Ends a connection that this program keeps open beside git's. False: there is none. */
  readonly makeRoom: () => Promise<boolean>;
  /** Gerrit refuses the only connection that git makes, or (null) accepts one again. */
  readonly onRefused: (error: OperationError | null) => void;
  /** The number of connections has changed. */
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

  /** Connections that git has now. */
  get taken(): number {
    return this.#taken;
  }

  /** Runs `work`, which makes one connection; again when it was refused and something of ours could end first. */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.#take(signal);
      try {
        const result = await work();
        this.#tell(null);
        return result;
      } catch (error) {
        if (!(error instanceof TooManyConnections) || signal.aborted) throw error;
        if (this.#taken > 1) this.#limit = this.#taken - 1;
        else if (!(await this.#options.makeRoom())) {
          this.#tell(error);
          throw error;
        }
      } finally {
        this.#release();
      }
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    while (this.#taken >= this.#limit) await this.#change(signal);
    signal.throwIfAborted();
    this.#taken += 1;
    this.#options.onChange();
  }

  #release(): void {
    this.#taken -= 1;
    // What was learned is about the moment: other programs use the account too.
    if (this.#taken === 0) this.#limit = Number.POSITIVE_INFINITY;
    for (const wake of this.#waiting) wake();
    this.#options.onChange();
  }

  #change(signal: AbortSignal): Promise<void> {
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

  #tell(error: OperationError | null): void {
    if (this.#refused === (error !== null)) return;
    this.#refused = error !== null;
    this.#options.onRefused(error);
  }
}

/** Runs a command of git's that may go to Gerrit by SSH; by other protocols it takes no connection of the account. */
export function overSsh<T>(
  connectionLimit: ConnectionLimit,
  command: Pick<GitCommand, 'protocol' | 'signal'>,
  run: () => Promise<T>,
): Promise<T> {
  return command.protocol === 'ssh' ? connectionLimit.use(command.signal, run) : run();
}
