/** Timers that are longer than Node's own, and what calls them off. */
import { describe, expect, test } from 'vitest';
import { every, after as once, sleep, timerDelay } from '../src/timer.ts';

const MONTH_MS = 31 * 86_400_000;
const soon = () => new Promise<void>((resolve) => once(20, resolve));

describe('a timer', () => {
  test.each([MONTH_MS, Number.POSITIVE_INFINITY])('of %d ms is not due now', async (delayMs) => {
    const called: string[] = [];
    const cancels = [
      once(delayMs, () => called.push('after')),
      every(delayMs, () => called.push('every')),
      once(delayMs, () => called.push('unref'), { unref: true }),
    ];
    await soon();
    for (const cancel of cancels) cancel();
    expect(called).toEqual([]);
  });

  test('that repeats does so until it is cancelled, also from its own call', async () => {
    let calls = 0;
    await new Promise<void>((resolve) => {
      const cancel = every(1, () => {
        calls += 1;
        if (calls < 3) return;
        cancel();
        resolve();
      });
    });
    await soon();
    expect(calls).toBe(3);
  });

  test('of a library is given no more than Node can hold', () => {
    expect([5, MONTH_MS, Number.POSITIVE_INFINITY, -1].map(timerDelay)).toEqual([
      5,
      2 ** 31 - 1,
      2 ** 31 - 1,
      0,
    ]);
  });
});

describe('a sleep', () => {
  test('ends by itself, and at once when it is called off', async () => {
    const stop = new AbortController();
    const pausing = sleep(MONTH_MS, stop.signal);
    await sleep(1);
    stop.abort();
    await expect(pausing).resolves.toBeUndefined();
    await expect(sleep(MONTH_MS, stop.signal)).resolves.toBeUndefined();
  });
});
