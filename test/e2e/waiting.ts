/** Bounded polling of a condition. */
import { pollDelay } from './daemon-process.ts';

const LIMIT_MS = 60_000;

/** Polls until the result is neither null nor false; `report` describes the state after a timeout. */
export async function eventually<T>(
  what: string,
  poll: () => T | null | false | Promise<T | null | false>,
  report: () => string = () => '',
  limitMs = LIMIT_MS,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const began = performance.now();
    const found = await poll();
    if (found !== null && found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${limitMs / 1000} s: ${what}\n${report()}`);
    await pollDelay(performance.now() - began);
  }
}
