/** A delay on the engine's clock as an Observable, for event streams that are merged, repeated and cut short. */
import { Observable } from 'rxjs';
import type { Clock } from './adapters.ts';

/** Emits once after `delayMs`. Unsubscribing cancels the timer. */
export function afterDelay(clock: Pick<Clock, 'after'>, delayMs: number): Observable<void> {
  return new Observable((subscriber) =>
    clock.after(delayMs, () => {
      subscriber.next();
      subscriber.complete();
    }),
  );
}
