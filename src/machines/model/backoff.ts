/** The wait before another attempt, for machines, engine and adapters. */

/** Maximum exponent when there is no maximum wait. */
const MAX_DOUBLINGS = 30;

/** Doubles with each failure. @param failures in a row, from 1; 1 gives `minMs` */
export function backoff(failures: number, minMs: number, maxMs: number = Number.POSITIVE_INFINITY): number {
  return Math.min(minMs * 2 ** Math.min(failures - 1, MAX_DOUBLINGS), maxMs);
}
