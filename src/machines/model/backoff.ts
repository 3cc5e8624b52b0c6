/** The wait before another attempt, the one rule for all of them: machines, engine and adapters. */

/** The doubling stops here when there is no maximum. */
const MAX_DOUBLINGS = 30;

/** Doubles from one failure to the next. @param failures in a row, from 1; 1 gives `minMs` */
export function backoff(failures: number, minMs: number, maxMs: number = Number.POSITIVE_INFINITY): number {
  return Math.min(minMs * 2 ** Math.min(failures - 1, MAX_DOUBLINGS), maxMs);
}
