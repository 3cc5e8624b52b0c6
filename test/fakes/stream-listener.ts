/** The engine's side of the stream, in memory: records all events, can be slow, and lets a test wait for one. */
import type { Rejection, StreamListener, StreamState } from '../../src/engine/ports/event-source.ts';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';

export class RecordingListener implements StreamListener {
  readonly events: GerritEvent[] = [];
  readonly rejections: Rejection[] = [];
  readonly drops: string[] = [];
  readonly touches: number[] = [];
  readonly states: StreamState[] = [];
  silences = 0;
  /** Maximum number of events that waited at the same time. */
  maxHeld = 0;
  #slow = false;
  #held: (() => void)[] = [];
  #waiters: { readonly when: () => boolean; readonly resolve: () => void }[] = [];

  event(event: GerritEvent): Promise<void> {
    this.events.push(event);
    const stored = this.#slow ? new Promise<void>((resolve) => this.#held.push(resolve)) : Promise.resolve();
    this.maxHeld = Math.max(this.maxHeld, this.#held.length);
    this.#changed();
    return stored;
  }

  rejected(rejection: Rejection): void {
    this.rejections.push(rejection);
    this.#changed();
  }

  dropped(name: string): void {
    this.drops.push(name);
    this.#changed();
  }

  touched(change: number): void {
    this.touches.push(change);
  }

  state(state: StreamState): void {
    this.states.push(state);
    this.#changed();
  }

  silent(): void {
    this.silences += 1;
    this.#changed();
  }

  get connected(): boolean {
    return this.states.at(-1)?.connected ?? false;
  }

  /** Events that wait now. */
  get held(): number {
    return this.#held.length;
  }

  /** From now on events wait for `releaseEvents`. */
  holdEvents(): void {
    this.#slow = true;
  }

  /** Stores all waiting events, and later ones at once. */
  releaseEvents(): void {
    this.#slow = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }

  /** Resolves as soon as `when` is true. Checks after each call except `touched`. */
  until(when: () => boolean): Promise<void> {
    if (when()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ when, resolve }));
  }

  #changed(): void {
    const ready = this.#waiters.filter(({ when }) => when());
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
  }
}
