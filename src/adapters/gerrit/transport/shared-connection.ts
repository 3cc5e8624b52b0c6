/**
 * One connection to Gerrit for all queries. While the stream is up, queries use its connection, because Gerrit limits
 * the connections per account. Otherwise a connection is opened on demand, shared, and kept for a while, because a
 * handshake costs more than most answers; there is never more than one. A reused connection may have died unnoticed;
 * the query is then repeated once over a new one. Only repeatable work may therefore reject: work that must happen once
 * returns its failure as a result.
 */
import type { Clock } from '../../../engine/ports/adapters.ts';
import { OperationError, raceAbort } from '../../../errors.ts';
import { Semaphore } from '../../../semaphore.ts';
import { detachContext } from '../../ssh/client/async-context.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { asRetryable } from '../reviews/transport.ts';
import { connectToGerrit, type GerritOptions } from './ssh-connection.ts';
import { stoppedConnection } from './ssh-failure.ts';

/** One connection, from opening to close. */
interface OwnConnection {
  readonly opening: Promise<SshClient>;
  readonly abort: AbortController;
  up: boolean;
  lost: boolean;
}

export class SharedConnection {
  readonly #options: GerritOptions;
  readonly #clock: Clock;
  readonly #slots: Semaphore;
  readonly #streamConnection: () => SshClient | null;
  #connection: OwnConnection | null = null;
  /** Resolves when the previous connection has closed; the next one waits for it. */
  #ending: Promise<void> = Promise.resolve();
  #running = 0;
  #closed = false;
  #disarm: () => void = () => {};

  /** @param streamConnection the stream's connection; null while the stream is down */
  constructor(options: GerritOptions, clock: Clock, streamConnection: () => SshClient | null = () => null) {
    this.#options = options;
    this.#streamConnection = streamConnection;
    this.#clock = clock;
    this.#slots = new Semaphore(options.maxConcurrentQueries);
  }

  /** Runs `work` when a slot is free, again if a reused connection was dead. Failures before it runs are retryable. */
  async run<T>(signal: AbortSignal, work: (connection: SshClient) => Promise<T>): Promise<T> {
    const release = await this.#acquireSlot(signal);
    try {
      const streamConnection = await this.#runOnStream(signal, work);
      return streamConnection === null ? await this.#runOnOwn(signal, work) : streamConnection.answer;
    } finally {
      release();
    }
  }

  /** Closes its own connection. Returns false when it has none, or when a query is using it. */
  async freeConnection(): Promise<boolean> {
    if (this.#running > 0 || this.#connection === null) return false;
    this.#disarm();
    await this.#closeOwn();
    return true;
  }

  /** Whether it has its own connection, apart from the stream's. */
  get isOpen(): boolean {
    return this.#connection !== null;
  }

  /** Null: the stream is down, or its connection ended during the query. */
  async #runOnStream<T>(
    signal: AbortSignal,
    work: (connection: SshClient) => Promise<T>,
  ): Promise<{ readonly answer: T } | null> {
    const streamConnection = this.#streamConnection();
    if (streamConnection === null || this.#closed) return null;
    let lost = false;
    const unsubscribe = streamConnection.onClosed(() => {
      lost = true;
    });
    try {
      return { answer: await work(streamConnection) };
    } catch (error) {
      if (!lost || signal.aborted) throw error;
      return null;
    } finally {
      unsubscribe();
    }
  }

  async #runOnOwn<T>(signal: AbortSignal, work: (connection: SshClient) => Promise<T>): Promise<T> {
    this.#running += 1;
    this.#disarm();
    try {
      const own = this.#connect();
      const wasOpen = own.up;
      try {
        return await this.#runOn(own, signal, work);
      } catch (error) {
        if (!wasOpen || !own.lost || signal.aborted || this.#closed) throw error;
        return await this.#runOn(this.#connect(), signal, work);
      }
    } finally {
      this.#running -= 1;
      this.#closeOwnLater();
    }
  }

  /** Closes the connection. Current and later queries fail. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    await this.#closeOwn();
  }

  async #runOn<T>(
    own: OwnConnection,
    signal: AbortSignal,
    work: (connection: SshClient) => Promise<T>,
  ): Promise<T> {
    const connection = await this.#unlessStopped(own.opening, signal);
    return work(connection);
  }

  #connect(): OwnConnection {
    if (this.#closed) throw stoppedConnection(this.#target());
    if (this.#connection !== null && !this.#connection.lost) return this.#connection;
    const abort = new AbortController();
    const open = () => connectToGerrit(this.#options, this.#clock, abort.signal);
    const opening = this.#ending.then(() => detachContext(open));
    const own: OwnConnection = { opening, abort, up: false, lost: false };
    const lose = (): void => {
      own.lost = true;
      if (this.#connection === own) this.#connection = null;
    };
    // Callers receive the error; here a failure only means that there is no connection.
    opening.then((connection) => {
      own.up = true;
      connection.onClosed(lose);
    }, lose);
    this.#connection = own;
    return own;
  }

  #closeOwnLater(): void {
    if (this.#running > 0 || this.#closed || this.#connection === null) return;
    // The next query uses the stream's connection.
    const idleMs = this.#streamConnection() === null ? this.#options.idleMs : 0;
    this.#disarm = this.#clock.after(idleMs, () => void this.#closeOwn());
  }

  #closeOwn(): Promise<void> {
    const own = this.#connection;
    if (own === null) return this.#ending;
    this.#connection = null;
    own.abort.abort();
    this.#ending = own.opening.then(
      (connection) => connection.close(),
      () => {},
    );
    return this.#ending;
  }

  /** An aborted caller stops waiting, and the shared connection attempt continues for the others. */
  #unlessStopped(opening: Promise<SshClient>, signal: AbortSignal): Promise<SshClient> {
    const usable = opening.catch((error: unknown) => {
      throw error instanceof OperationError ? asRetryable(error) : error;
    });
    return raceAbort(usable, signal, () => this.#stopped(signal));
  }

  async #acquireSlot(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.#slots.acquire(signal);
    } catch {
      throw this.#stopped(signal);
    }
  }

  #stopped(signal: AbortSignal): OperationError {
    return signal.reason instanceof OperationError ? signal.reason : stoppedConnection(this.#target());
  }

  #target(): string {
    return `${this.#options.user}@${this.#options.host}:${this.#options.port}`;
  }
}
