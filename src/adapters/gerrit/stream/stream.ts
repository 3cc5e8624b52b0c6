/**
 * Keeps Gerrit's stream running for months, one session at a time. Temporary failures are retried after a growing,
 * jittered delay. Permanent ones (host key, key, missing permission) are reported once with their fix and retried only
 * every few minutes, so that a configuration error does not flood Gerrit with logins.
 */
import { defer, Observable, repeat, type Subscription, tap } from 'rxjs';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { afterDelay } from '../../../engine/ports/delay.ts';
import type {
  ChangeHistoryReader,
  EventSource,
  StreamListener,
  StreamState,
} from '../../../engine/ports/event-source.ts';
import { backoff } from '../../../machines/model/backoff.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { ChangeHistoryQuery } from '../history/change-history.ts';
import { type FetchPage, sshPages } from '../history/pages-ssh.ts';
import type { GerritOptions } from '../transport/ssh-connection.ts';
import { EventReader } from './event-reader.ts';
import { runSession, type SessionEnd } from './stream-session.ts';

export interface StreamTuning {
  /** Maximum number of events waiting for the store. At the limit the stream is not read. */
  readonly queueLimit: number;
  /** Rows per page of a history query. */
  readonly pageRows: number;
  /** Reads history pages; null uses the stream's connection. */
  readonly pages: FetchPage | null;
  /** As in EventReaderOptions. */
  readonly keep: (line: Buffer) => void;
  /** Returns 0 to 1, for the jitter. */
  readonly random: () => number;
  /** Called with each connection on which the stream comes up. */
  readonly up: (connection: SshClient) => void;
}

const TUNING: StreamTuning = {
  queueLimit: 1_000,
  pageRows: 100,
  pages: null,
  keep: () => {},
  random: Math.random,
  up: () => {},
};

export class GerritStream implements EventSource {
  readonly history: ChangeHistoryReader;
  readonly #options: GerritOptions;
  readonly #clock: Clock;
  readonly #listener: StreamListener;
  readonly #tuning: StreamTuning;
  readonly #intake: EventReader;
  /** Failures since the stream was last stable. */
  #failures = 0;
  /** Delay before the current session. */
  #waitedMs = 0;
  #reported: StreamState | null = null;
  /** The current connection. */
  #connection: SshClient | null = null;
  #restart = new AbortController();
  #stopped = false;
  #subscription: Subscription | null = null;
  /** Resolves when the current session has closed its connection. */
  #session: Promise<unknown> = Promise.resolve();

  constructor(
    options: GerritOptions,
    clock: Clock,
    listener: StreamListener,
    tuning: Partial<StreamTuning> = {},
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#listener = listener;
    this.#tuning = { ...TUNING, ...tuning };
    this.#intake = new EventReader(listener, {
      lineLimitBytes: options.maxEventBytes,
      queueLimit: this.#tuning.queueLimit,
      now: () => clock.monotonic(),
      keep: this.#tuning.keep,
    });
    this.history = new ChangeHistoryQuery(
      this.#tuning.pages ?? sshPages(options, () => this.#connection),
      this.#tuning.pageRows,
    );
  }

  restart(why: string): void {
    this.#restart.abort(why);
  }

  start(): void {
    if (this.#subscription !== null) throw new Error('the stream was started before');
    let end: SessionEnd | null = null;
    this.#subscription = defer(() => this.#runSession())
      .pipe(
        tap((ended) => {
          end = ended;
          this.#report({ connected: false, why: ended.why, hint: ended.hint, permanent: ended.permanent });
        }),
        repeat({ delay: () => afterDelay(this.#clock, this.#delayMs(end)) }),
      )
      .subscribe();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#intake.stop();
    this.#subscription?.unsubscribe();
    await this.#session;
  }

  /** Completes with the reason after the connection has closed. Unsubscribing ends the session. */
  #runSession(): Observable<SessionEnd> {
    return new Observable((subscriber) => {
      const abort = new AbortController();
      this.#restart = new AbortController();
      const session = runSession(
        {
          options: this.#options,
          clock: this.#clock,
          intake: this.#intake,
          restart: this.#restart.signal,
          silent: () => {
            if (!this.#stopped) this.#listener.silent();
          },
          connected: (version, connection) => {
            this.#connection = connection;
            this.#tuning.up(connection);
            connection.onClosed(() => {
              this.#connection = null;
            });
            const why = `connected to ${this.#options.host}:${this.#options.port} (${version})`;
            this.#report({ connected: true, why, hint: '', permanent: false });
          },
        },
        abort.signal,
      );
      // No catch: an error that is not a SessionEnd is a bug and ends the process.
      this.#session = session.then((end) => {
        subscriber.next(end);
        subscriber.complete();
      });
      return () => abort.abort();
    });
  }

  /**
   * Doubles after each failure; half of the delay is jitter, so that clients do not reconnect at the same time. Resets
   * after a connection that lasted at least as long as the delay before it and as the connect timeout.
   */
  #delayMs(end: SessionEnd | null): number {
    const { backoffMinMs, backoffMaxMs, connectTimeoutMs, authRetryIntervalMs } = this.#options;
    if (end?.permanent) return this.#jittered(authRetryIntervalMs);
    const lasted = end !== null && end.upMs >= Math.max(this.#waitedMs, connectTimeoutMs);
    this.#failures = lasted ? 1 : this.#failures + 1;
    this.#waitedMs = this.#jittered(backoff(this.#failures, backoffMinMs, backoffMaxMs));
    return this.#waitedMs;
  }

  #jittered(delayMs: number): number {
    return delayMs / 2 + (this.#tuning.random() * delayMs) / 2;
  }

  #report(state: StreamState): void {
    const reported = this.#reported;
    if (this.#stopped) return;
    if (
      reported?.connected === state.connected &&
      reported.why === state.why &&
      reported.permanent === state.permanent
    ) {
      return;
    }
    this.#reported = state;
    this.#listener.state(state);
  }
}
