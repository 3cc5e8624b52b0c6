/**
 * The daemon's ear: starts and stops what hears Gerrit, and tells the history `stream` how the connection is. The machine
 * decides when to look for what was missed; this only tells it what happened.
 */
import { exhaustMap, Subject } from 'rxjs';
import { OperationError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { GerritEvent } from '../../machines/model/gerrit-event.ts';
import type { StreamEvent, StreamLimits } from '../../machines/protocol/events.ts';
import { newest, versionOf } from '../../machines/versions.ts';
import type { Engine } from '../loop/engine.ts';
import type { EventSource, StreamListener, StreamState } from '../ports/event-source.ts';
import type { Store } from '../ports/store.ts';
import type { EventIntake } from './event-intake.ts';

/** There is one connection, and one history of it, for all daemons of a database. */
const STREAM_HISTORY = 'stream';

export interface StreamServiceOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly events: EventIntake;
  readonly log: Log;
  readonly intake: (listener: StreamListener) => EventSource;
  /** HOST:PORT */
  readonly server: string;
  readonly limits: StreamLimits;
  /** An operator wants all from then on to be looked at; null: from where the last daemon had come. */
  readonly since: number | null;
  /** How the connection is, in one line. */
  readonly onState: (text: string) => void;
}

export class StreamService {
  private readonly options: StreamServiceOptions;
  private readonly stopping = new AbortController();
  private intake: EventSource | null = null;
  private readonly silences = new Subject<void>();

  constructor(options: StreamServiceOptions) {
    this.options = options;
    // One question at a time: a silence that is noticed meanwhile is the same silence.
    this.silences.pipe(exhaustMap(() => this.probeIdleStream())).subscribe();
  }

  /** Nothing is heard before it is known from where on we are responsible. */
  async start(): Promise<void> {
    const { events, intake, server, limits, since } = this.options;
    await events.begin(since);
    await this.tell({ type: 'stream.started', server, limits, since });
    if (this.stopping.signal.aborted) return;
    this.intake = intake(this.listener());
    events.attachHistory(this.intake.history);
    this.intake.start();
  }

  /** Idempotent. Nothing is heard after it resolves. */
  async stop(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    this.stopping.abort();
    await this.intake?.stop();
    this.rest();
  }

  /** Nobody listens: no question is open, and no alarm is due for that. */
  rest(): void {
    const known = this.options.engine.histories.get(STREAM_HISTORY);
    if (known === undefined || versionOf(known).isStopped(known)) return;
    // A stop does not wait for the log: the next daemon begins again in any state.
    this.tell({ type: 'stream.stopped' }).catch(() => {});
  }

  /** Something may have been missed while the connection stands; null: on any change. */
  gapped(why: string, changes: readonly number[] | null): void {
    void this.tell({ type: 'stream.gap-suspected', why, changes });
  }

  private listener(): StreamListener {
    const { store, log } = this.options;
    return {
      event: (event) => this.take(event),
      rejected: ({ reason, sample, unread }) => {
        store.count(`rejected:${reason}`, 1);
        log.warn({ reason, sample }, 'an event was rejected');
        if (unread === true) this.skipped();
      },
      dropped: (name) => store.count(`dropped:${name}`, 1),
      touched: (change) => this.options.events.touched(change),
      state: (state) => this.changed(state),
      silent: () => this.silences.next(),
    };
  }

  /** It may have been about any change: the position stays where it is until all were looked at. */
  private skipped(): void {
    this.options.events.markGap(null);
    this.gapped('a line of the stream was too long', null);
  }

  /** An event that a stop cut off is never acknowledged: it is not stored, and the next daemon finds it in Gerrit. */
  private async take(event: GerritEvent): Promise<void> {
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
      void this.tell({ type: 'stream.connected', why });
      this.postAgain();
      return;
    }
    log.warn({ hint }, `stream: ${why}`);
    events.markGap(null);
    void this.tell({ type: permanent ? 'stream.rejected' : 'stream.disconnected', why, hint });
  }

  /** Gerrit is back: what it did not take while it was away need not wait any longer. */
  private postAgain(): void {
    const { engine } = this.options;
    for (const stored of engine.histories.values()) {
      const timer = versionOf(stored).postRetryTimer(stored);
      if (timer !== null) engine.fireTimer(stored.history, timer).catch(this.ignoreWhenStopping);
    }
  }

  /** A server that answers while its stream is dead: Gerrit's own account shows it. */
  private async probeIdleStream(): Promise<void> {
    const { events, log } = this.options;
    try {
      if (!(await events.hasMissed(this.stopping.signal))) return;
      this.intake?.restart('silent, although something had happened');
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      log.warn({ hint: thrown.hint }, `asking into the silence: ${thrown.message}`);
    }
  }

  /** Rejects only when the daemon stops. */
  private tell(event: StreamEvent): Promise<void> {
    const told = this.options.engine.submit([
      { history: STREAM_HISTORY, startsOn: newest.stream, event, settles: null, causationId: null },
    ]);
    return told.catch(this.ignoreWhenStopping);
  }

  private readonly ignoreWhenStopping = (thrown: unknown): void => {
    if (!this.ending) throw thrown;
  };

  private get ending(): boolean {
    return this.stopping.signal.aborted || this.options.engine.ending;
  }
}
