/**
 * Starts and stops the listener to Gerrit's stream, and sends the history `stream` the state of the connection. That
 * machine decides when to run a catch-up.
 */
import { exhaustMap, Subject } from 'rxjs';
import { OperationError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { GerritEvent } from '../../machines/model/gerrit-event.ts';
import type { StreamEvent, StreamLimits } from '../../machines/protocol/events.ts';
import { newest, versionOf } from '../../machines/versions.ts';
import type { Engine } from '../loop/engine.ts';
import type { Clock } from '../ports/adapters.ts';
import type { EventSource, StreamListener, StreamState } from '../ports/event-source.ts';
import type { Store } from '../ports/store.ts';
import type { EventIntake } from './event-intake.ts';

/** All daemons of a database share one history of the connection. */
const STREAM_HISTORY = 'stream';
/** Between the failure of a post and its early retry. */
const MIN_POST_WAIT_MS = 60_000;

export interface StreamServiceOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly clock: Clock;
  readonly events: EventIntake;
  readonly log: Log;
  readonly intake: (listener: StreamListener) => EventSource;
  /** HOST:PORT */
  readonly server: string;
  readonly limits: StreamLimits;
  /** Set by an operator: catch up from this time on; null: from the stored position. */
  readonly since: number | null;
  /** Called with the connection's state, in one line. */
  readonly onState: (text: string) => void;
}

export class StreamService {
  private readonly options: StreamServiceOptions;
  private readonly stopping = new AbortController();
  private intake: EventSource | null = null;
  private readonly idle = new Subject<void>();
  /** Cancel the early retries of posts. */
  private readonly retries: (() => void)[] = [];

  constructor(options: StreamServiceOptions) {
    this.options = options;
    // One probe at a time: silence that is reported during a probe has the same cause.
    this.idle.pipe(exhaustMap(() => this.probeIdleStream())).subscribe();
  }

  /** Sets the origin before the first event can arrive. */
  async start(): Promise<void> {
    const { events, intake, server, limits, since } = this.options;
    await events.begin(since);
    await this.record({ type: 'stream.started', server, limits, since });
    if (this.stopping.signal.aborted) return;
    this.intake = intake(this.listener());
    events.attachHistory(this.intake.history);
    this.intake.start();
  }

  /** Idempotent. No event arrives after it resolves. */
  async stop(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    this.stopping.abort();
    for (const cancel of this.retries.splice(0)) cancel();
    await this.intake?.stop();
    this.recordStopped();
  }

  /** Records that the stream is stopped on purpose, so the machine ends its open catch-up and raises no alarm. */
  recordStopped(): void {
    const known = this.options.engine.histories.get(STREAM_HISTORY);
    if (known === undefined || versionOf(known).isStopped(known)) return;
    // A stop does not wait for the log: the next daemon can begin from any state.
    this.record({ type: 'stream.stopped' }).catch(() => {});
  }

  /** Events may have been missed while the connection is up; `changes` null: on any change. */
  gapped(why: string, changes: readonly number[] | null): void {
    void this.record({ type: 'stream.gap-suspected', why, changes });
  }

  private listener(): StreamListener {
    const { store, log } = this.options;
    return {
      event: (event) => this.handle(event),
      rejected: ({ reason, sample, unread }) => {
        store.count(`rejected:${reason}`, 1);
        log.warn({ reason, sample }, 'an event was rejected');
        if (unread === true) this.skipped();
      },
      dropped: (name) => store.count(`dropped:${name}`, 1),
      touched: (change) => this.options.events.touched(change),
      state: (state) => this.changed(state),
      silent: () => this.idle.next(),
    };
  }

  /** The skipped event may concern any change: the position stays until a catch-up has checked all. */
  private skipped(): void {
    this.options.events.markGap(null);
    this.gapped('a line of the stream was too long', null);
  }

  /** An event that a stop interrupts is not stored; the next daemon's catch-up finds it in Gerrit. */
  private async handle(event: GerritEvent): Promise<void> {
    try {
      await this.options.events.handle(event);
    } catch (thrown) {
      if (!this.ending) throw thrown;
      await new Promise<never>(() => {});
    }
  }

  private changed({ connected, why, hint, permanent }: StreamState): void {
    const { log, events, onState } = this.options;
    onState(connected ? 'connected' : `not connected: ${why}`);
    if (connected) {
      log.info({}, `stream: ${why}`);
      void this.record({ type: 'stream.connected', why });
      this.postAgain();
      return;
    }
    log.warn({ hint }, `stream: ${why}`);
    events.markGap(null);
    void this.record({ type: permanent ? 'stream.rejected' : 'stream.disconnected', why, hint });
  }

  /**
   * Gerrit is reachable again: failed posts are retried without waiting longer, but not before `MIN_POST_WAIT_MS`, as a
   * stream that breaks again and again would use up their attempts.
   */
  private postAgain(): void {
    const { engine, clock } = this.options;
    for (const cancel of this.retries.splice(0)) cancel();
    for (const stored of engine.histories.values()) {
      const key = versionOf(stored).postRetryTimer(stored);
      if (key === null) continue;
      const retry = (): void => {
        engine.fireTimer(stored.history, key).catch(this.ignoreWhenStopping);
      };
      this.retries.push(clock.after(Math.max(0, stored.at + MIN_POST_WAIT_MS - clock.now()), retry));
    }
  }

  /** Detects a dead stream of a server that still answers: a query shows events that the stream did not send. */
  private async probeIdleStream(): Promise<void> {
    const { events, log } = this.options;
    try {
      if (!(await events.hasMissed(this.stopping.signal))) return;
      this.intake?.restart('the stream was silent although Gerrit has new events');
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      log.warn({ hint: thrown.hint }, `checking the silent stream: ${thrown.message}`);
    }
  }

  /** Rejects only when the daemon stops. */
  private record(event: StreamEvent): Promise<void> {
    const recorded = this.options.engine.submit([
      { history: STREAM_HISTORY, startsOn: newest.stream, event, settles: null, causationId: null },
    ]);
    return recorded.catch(this.ignoreWhenStopping);
  }

  private readonly ignoreWhenStopping = (thrown: unknown): void => {
    if (!this.ending) throw thrown;
  };

  private get ending(): boolean {
    return this.stopping.signal.aborted || this.options.engine.ending;
  }
}
