/**
 * Durable timers: what is due is in the log, this only wakes up for it. A timer waits on the monotonic clock and never
 * longer than it was set for, so a wall clock that jumps neither fires it early nor keeps it forever. After a restart a
 * deadline has lost only the time for which a daemon was alive; the pause before another attempt is over when it is due.
 */
import { isDeadline } from '../../machines/protocol/actions.ts';
import type { Clock, EffectOf } from '../ports/adapters.ts';

type SetTimer = EffectOf<'setTimer'>;

export class Timers {
  private readonly clock: Clock;
  private readonly servedSince: (at: number) => number;
  private readonly fire: (history: string, key: string) => void;
  private readonly armed = new Map<string, () => void>();

  /** @param servedSince how long a daemon was alive since this time of the wall clock */
  constructor(
    clock: Clock,
    servedSince: (at: number) => number,
    fire: (history: string, key: string) => void,
  ) {
    this.clock = clock;
    this.servedSince = servedSince;
    this.fire = fire;
  }

  /** @param recovered true after a restart: only the wall clock and the gaps in it tell how much of the wait is over. */
  arm(history: string, timer: SetTimer, recovered: boolean): void {
    const id = idOf(history, timer.key);
    const delayMs = recovered ? this.remainingMs(timer) : timer.delayMs;
    const cancel = this.clock.after(delayMs, () => {
      this.armed.delete(id);
      this.fire(history, timer.key);
    });
    this.armed.set(id, cancel);
  }

  /** Takes a timer back; one that fired or never was is no error. */
  disarm(history: string, key: string): void {
    const id = idOf(history, key);
    this.armed.get(id)?.();
    this.armed.delete(id);
  }

  isOverdue(timer: SetTimer): boolean {
    return this.remainingMs(timer) === 0;
  }

  stop(): void {
    for (const cancel of this.armed.values()) cancel();
    this.armed.clear();
  }

  /** How many wait. */
  get size(): number {
    return this.armed.size;
  }

  private remainingMs(timer: SetTimer): number {
    const left = isDeadline(timer.key)
      ? timer.delayMs - this.servedSince(timer.dueAt - timer.delayMs)
      : timer.dueAt - this.clock.now();
    return Math.min(Math.max(left, 0), timer.delayMs);
  }
}

function idOf(history: string, key: string): string {
  return `${history}\n${key}`;
}
