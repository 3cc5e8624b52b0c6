/** A wait on the engine's clock as an Observable, for streams of events that are merged, repeated and cut short. */
import { Observable } from 'rxjs';
import type { Clock } from './adapters.ts';

/** Emits once after `delayMs`. Unsubscribing takes the timer back. */
export function afterDelay(clock: Pick<Clock, 'after'>, delayMs: number): Observable<void> {
  return new Observable((subscriber) =>
    clock.after(delayMs, () => {
      subscriber.next();
      subscriber.complete();
    }),
  );
}
