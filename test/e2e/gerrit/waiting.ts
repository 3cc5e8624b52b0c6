/** Bounded waits on what happens outside: Gerrit's pages, the process table, the file tree. They do not call us. */
import { aMoment } from '../daemon-process.ts';

const LIMIT_MS = 60_000;

/** Asks again and again until the answer is there (not null, not false); `tell` explains a wait that was in vain. */
export async function eventually<T>(
  what: string,
  poll: () => T | null | false | Promise<T | null | false>,
  report: () => string = () => '',
  limitMs = LIMIT_MS,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await poll();
    if (found !== null && found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${limitMs / 1000} s: ${what}\n${report()}`);
    await aMoment();
  }
}
