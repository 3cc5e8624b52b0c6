/**
 * One `gerrit stream-events` connection: a queue of 128 events, as in Gerrit. A slower reader loses events and gets
 * `dropped-output`, which does not say which.
 */
import type { Writable } from 'node:stream';
import { toLine } from './attributes.ts';
import type { ChangeRecord, EventJson, GerritAccount, GerritState } from './state.ts';
import { canSee } from './state.ts';

export const QUEUE_LENGTH = 128;

export class EventStream {
  readonly #out: Writable;
  readonly #queue: string[] = [];
  readonly #stopListening: () => void;
  #held = false;
  #blocked = false;
  #dropped = false;

  /** `types`: only events of these types; empty: all. */
  constructor(state: GerritState, account: GerritAccount, types: ReadonlySet<string>, out: Writable) {
    this.#out = out;
    this.#stopListening = state.listen((event, change) => this.#offer(event, change, account, types));
    out.on('drain', () => {
      this.#blocked = false;
      this.#flush();
    });
  }

  /** Simulates a stalled network: events wait in the queue, and are lost when it is full. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#flush();
  }

  /** Writes raw bytes, such as half a line or invalid JSON. */
  writeRaw(bytes: string | Buffer): void {
    this.#out.write(bytes);
  }

  close(): void {
    this.#stopListening();
    this.#queue.length = 0;
  }

  #offer(
    event: EventJson,
    change: ChangeRecord | null,
    account: GerritAccount,
    types: ReadonlySet<string>,
  ): void {
    if (types.size > 0 && !types.has(event.type)) return;
    if (change !== null && !canSee(account, change)) return;
    if (this.#queue.length >= QUEUE_LENGTH) this.#dropped = true;
    else this.#queue.push(toLine(event));
    this.#flush();
  }

  #flush(): void {
    while (!this.#held && !this.#blocked) {
      let line = this.#queue.shift();
      if (line === undefined) {
        if (!this.#dropped) return;
        this.#dropped = false;
        line = toLine({ type: 'dropped-output', eventCreatedOn: Math.floor(Date.now() / 1000) });
      }
      this.#blocked = !this.#out.write(line);
    }
  }
}
