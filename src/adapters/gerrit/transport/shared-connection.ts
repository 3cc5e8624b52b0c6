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
interface Line {
  readonly opening: Promise<SshClient>;
  readonly giveUp: AbortController;
  up: boolean;
  lost: boolean;
}

export class SharedConnection {
  readonly #options: GerritOptions;
  readonly #clock: Clock;
  readonly #turns: Semaphore;
  readonly #lent: () => SshClient | null;
  #connection: Line | null = null;
  /** Resolves when the previous connection has closed; the next one waits for it. */
  #ending: Promise<void> = Promise.resolve();
  #running = 0;
  #closed = false;
  #disarm: () => void = () => {};

  /** @param lent the stream's connection; null while the stream is down */
  constructor(options: GerritOptions, clock: Clock, lent: () => SshClient | null = () => null) {
    this.#options = options;
    this.#lent = lent;
    this.#clock = clock;
    this.#turns = new Semaphore(options.maxConcurrentQueries);
  }

  /**
   * Runs `question` when a slot is free, twice if a reused connection was dead. Failures before it runs are retryable.
   */
  async ask<T>(signal: AbortSignal, question: (connection: SshClient) => Promise<T>): Promise<T> {
    const over = await this.#turn(signal);
    try {
      const lent = await this.#onLent(signal, question);
      return lent === null ? await this.#onOwn(signal, question) : lent.answer;
    } finally {
      over();
    }
  }

  /** Closes its own connection. Returns false when it has none, or when a query is using it. */
  async freeConnection(): Promise<boolean> {
    if (this.#running > 0 || this.#connection === null) return false;
    this.#disarm();
    await this.#hangUp();
    return true;
  }

  /** Whether it has its own connection, apart from the stream's. */
  get isOpen(): boolean {
    return this.#connection !== null;
  }

  /** Null: the stream is down, or its connection ended during the query. */
  async #onLent<T>(
    signal: AbortSignal,
    question: (connection: SshClient) => Promise<T>,
  ): Promise<{ readonly answer: T } | null> {
    const lent = this.#lent();
    if (lent === null || this.#closed) return null;
    let lost = false;
    const unsubscribe = lent.onClosed(() => {
      lost = true;
    });
    try {
      return { answer: await question(lent) };
    } catch (error) {
      if (!lost || signal.aborted) throw error;
      return null;
    } finally {
      unsubscribe();
    }
  }

  async #onOwn<T>(signal: AbortSignal, question: (connection: SshClient) => Promise<T>): Promise<T> {
    this.#running += 1;
    this.#disarm();
    try {
      const line = this.#connect();
      const kept = line.up;
      try {
        return await this.#on(line, signal, question);
      } catch (error) {
        if (!kept || !line.lost || signal.aborted || this.#closed) throw error;
        return await this.#on(this.#connect(), signal, question);
      }
    } finally {
      this.#running -= 1;
      this.#hangUpLater();
    }
  }

  /** Closes the connection. Current and later queries fail. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    await this.#hangUp();
  }

  async #on<T>(line: Line, signal: AbortSignal, question: (connection: SshClient) => Promise<T>): Promise<T> {
    const connection = await this.#unlessStopped(line.opening, signal);
    return question(connection);
  }

  #connect(): Line {
    if (this.#closed) throw stoppedConnection(this.#target());
    if (this.#connection !== null && !this.#connection.lost) return this.#connection;
    const giveUp = new AbortController();
    const open = () => connectToGerrit(this.#options, this.#clock, giveUp.signal);
    const opening = this.#ending.then(() => detachContext(open));
    const line: Line = { opening, giveUp, up: false, lost: false };
    const lose = (): void => {
      line.lost = true;
      if (this.#connection === line) this.#connection = null;
    };
    // Callers receive the error; here a failure only means that there is no connection.
    opening.then((connection) => {
      line.up = true;
      connection.onClosed(lose);
    }, lose);
    this.#connection = line;
    return line;
  }

  #hangUpLater(): void {
    if (this.#running > 0 || this.#closed || this.#connection === null) return;
    // The next query uses the stream's connection.
    const idleMs = this.#lent() === null ? this.#options.idleMs : 0;
    this.#disarm = this.#clock.after(idleMs, () => void this.#hangUp());
  }

  #hangUp(): Promise<void> {
    const line = this.#connection;
    if (line === null) return this.#ending;
    this.#connection = null;
    line.giveUp.abort();
    this.#ending = line.opening.then(
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

  async #turn(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.#turns.acquire(signal);
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
