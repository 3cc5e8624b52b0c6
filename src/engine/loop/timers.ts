/**
 * Durable timers: the log holds what is due; this module only fires it. A timer waits on the monotonic clock and never
 * longer than its delay, so a wall clock that jumps neither fires it early nor delays it forever. After a restart a
 * deadline has lost only the time during which a daemon was alive; a pause before another attempt ends at its
 * wall-clock time.
 */
import { isDeadline } from '../../machines/protocol/actions.ts';
import type { Clock, EffectOf } from '../ports/adapters.ts';

type SetTimer = EffectOf<'setTimer'>;

export class Timers {
  private readonly clock: Clock;
  private readonly servedSince: (at: number) => number;
  private readonly fire: (history: string, key: string) => void;
  private readonly armed = new Map<string, () => void>();

  /** @param servedSince how long a daemon has been alive since this wall-clock time */
  constructor(
    clock: Clock,
    servedSince: (at: number) => number,
    fire: (history: string, key: string) => void,
  ) {
    this.clock = clock;
    this.servedSince = servedSince;
    this.fire = fire;
  }

  /** @param recovered true after a restart: only the wall clock and the times without a daemon show how much of the wait is over */
  arm(history: string, timer: SetTimer, recovered: boolean): void {
    const id = idOf(history, timer.key);
    const delayMs = recovered ? this.remainingMs(timer) : timer.delayMs;
    const cancel = this.clock.after(delayMs, () => {
      this.armed.delete(id);
      this.fire(history, timer.key);
    });
    this.armed.set(id, cancel);
  }

  /** Disarms a timer; one that fired or never existed is not an error. */
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

  /** Number of armed timers. */
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
