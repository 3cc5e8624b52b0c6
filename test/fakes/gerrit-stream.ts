/**
 * Gerrit's stream, in memory, with the events of a test. Like the real one, delivers events in order, pauses while
 * too many wait for the store, and delivers nothing after it was stopped.
 */
import type {
  EventSource,
  Rejection,
  StreamListener,
  StreamState,
} from '../../src/engine/ports/event-source.ts';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import { FakeChangeHistory } from './change-history.ts';

const CONNECTED: StreamState = {
  connected: true,
  why: 'connected to the fake',
  hint: '',
  permanent: false,
};

export class FakeGerritStream implements EventSource {
  readonly history: FakeChangeHistory;
  readonly #listener: StreamListener;
  readonly #queueLimit: number;
  #queue: { readonly event: GerritEvent; readonly taken: () => void }[] = [];
  #waiting = 0;
  #running = false;

  constructor(listener: StreamListener, queueLimit = 1_000, history = new FakeChangeHistory()) {
    this.history = history;
    this.#listener = listener;
    this.#queueLimit = queueLimit;
  }

  start(): void {
    this.#running = true;
    this.#listener.state(CONNECTED);
  }

  restart(why: string): void {
    this.disconnect({ why, hint: '', permanent: false });
    this.reconnect();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#queue = [];
  }

  /** Gerrit sends this event. Resolves when the listener has stored it; never if the stream is stopped before. */
  say(event: GerritEvent): Promise<void> {
    return new Promise((taken) => {
      if (!this.#running) return;
      this.#queue.push({ event, taken });
      this.#deliver();
    });
  }

  /** Gerrit sends an invalid line. */
  sendInvalidLine(rejection: Rejection): void {
    if (this.#running) this.#listener.rejected(rejection);
  }

  /** Gerrit sends an irrelevant line. */
  sendIrrelevantLine(name = 'meta-ref-updated'): void {
    if (this.#running) this.#listener.dropped(name);
  }

  /** The server is alive, and its stream is silent. */
  reportSilence(): void {
    if (this.#running) this.#listener.silent();
  }

  /** The connection is lost, or cannot be opened. */
  disconnect(state: Omit<StreamState, 'connected'>): void {
    if (this.#running) this.#listener.state({ connected: false, ...state });
  }

  reconnect(): void {
    if (this.#running) this.#listener.state(CONNECTED);
  }

  #deliver(): void {
    while (this.#waiting < this.#queueLimit) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#waiting++;
      void this.#listener.event(next.event).then(() => {
        this.#waiting--;
        next.taken();
        this.#deliver();
      });
    }
  }
}
