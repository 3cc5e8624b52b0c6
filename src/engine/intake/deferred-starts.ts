/**
 * Starts that a limit holds back, one for each change. They are stored in the transaction of the decision, so they
 * survive a restart, and are checked again every few seconds until they start.
 */
import { concatMap, defer, EMPTY, exhaustMap, repeat, Subject, takeUntil, tap } from 'rxjs';
import type { ChangeName } from '../../machines/model/gerrit-event.ts';
import { MAX_WAITING_CHANGES } from '../../machines/trigger/rules/rate-limit.ts';
import type { Decision } from '../../machines/trigger/trigger.ts';
import { type WaitingStart, waitingOf } from '../../machines/trigger/trigger-facts.ts';
import type { Clock } from '../ports/adapters.ts';
import { afterDelay } from '../ports/delay.ts';
import type { Store, WaitingChange } from '../ports/store.ts';

/** Delay until free capacity is detected. Limits count in hours and jobs take minutes, so seconds do not matter. */
const CHECK_INTERVAL_MS = 10_000;

export class DeferredStarts {
  readonly #clock: Clock;
  readonly #onSlotsFree: () => void;
  readonly #starts = new Map<string, WaitingStart>();
  /** True: a start did not fit on the waiting list. */
  #overflowed = false;
  #active = false;
  /** Requests a check after this delay. */
  readonly #requested = new Subject<number>();
  readonly #paused = new Subject<void>();

  /** @param check starts all waiting work that may start */
  constructor(
    store: Pick<Store, 'waitingStarts'>,
    clock: Clock,
    check: () => Promise<unknown>,
    onSlotsFree: () => void,
  ) {
    this.#clock = clock;
    this.#onSlotsFree = onSlotsFree;
    // Requests while a check is scheduled or running are dropped: the check repeats anyway.
    const checks = defer(check).pipe(
      tap(() => this.#checked()),
      repeat({ delay: () => (this.#isIdle ? EMPTY : afterDelay(clock, CHECK_INTERVAL_MS)) }),
    );
    const soon = (delayMs: number) =>
      afterDelay(clock, delayMs).pipe(
        concatMap(() => checks),
        takeUntil(this.#paused),
      );
    this.#requested.pipe(exhaustMap(soon)).subscribe();
    for (const waiting of store.waitingStarts()) this.#starts.set(keyOf(waiting.start.patchset), waiting);
  }

  begin(): void {
    this.#active = true;
    this.#checkSoon(0);
  }

  pause(): void {
    this.#active = false;
    this.#paused.next();
  }

  get active(): boolean {
    return this.#active;
  }

  get size(): number {
    return this.#starts.size;
  }

  of(change: ChangeName): WaitingStart | null {
    return this.#starts.get(keyOf(change)) ?? null;
  }

  /** The current waiting starts, the longest wait first. */
  all(): readonly WaitingStart[] {
    return [...this.#starts.values()].sort((one, other) => one.since - other.since);
  }

  /** Returns the updates of the waiting list; the caller stores them. */
  apply({ project, change }: ChangeName, decisions: readonly Decision[]): readonly WaitingChange[] {
    const before = this.of({ project, change });
    let waiting = before;
    for (const decision of decisions) {
      if (decision.do === 'start' || decision.do === 'drop') waiting = null;
      if (decision.do === 'defer') waiting = waitingOf(decision, before, this.#clock.now());
      if (decision.do === 'ignore' && decision.findAgain === true) this.#overflowed = true;
    }
    if (waiting === before) return [];
    if (waiting === null) this.#starts.delete(keyOf({ project, change }));
    else this.#starts.set(keyOf({ project, change }), waiting);
    this.#checkSoon(CHECK_INTERVAL_MS);
    return [{ project, change, waiting }];
  }

  #checkSoon(delayMs: number): void {
    if (this.#active && !this.#isIdle) this.#requested.next(delayMs);
  }

  get #isIdle(): boolean {
    return this.#starts.size === 0 && !this.#overflowed;
  }

  #checked(): void {
    // Waits until half the list is free instead of one entry: querying Gerrit for everything costs more than a start.
    if (this.#overflowed && this.#starts.size <= MAX_WAITING_CHANGES / 2) {
      this.#overflowed = false;
      this.#onSlotsFree();
    }
  }
}

function keyOf({ project, change }: ChangeName): string {
  return `${project}~${change}`;
}
