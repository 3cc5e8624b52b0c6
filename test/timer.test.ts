/** Timers beyond Node's maximum delay, and their cancellation. */
import { describe, expect, test } from 'vitest';
import { every, after as once, sleep, timerDelay } from '../src/timer.ts';

const MONTH_MS = 31 * 86_400_000;
const shortDelay = () => new Promise<void>((resolve) => once(20, resolve));

describe('a timer', () => {
  test.each([MONTH_MS, Number.POSITIVE_INFINITY])('of %d ms does not fire immediately', async (delayMs) => {
    const called: string[] = [];
    const cancels = [
      once(delayMs, () => called.push('after')),
      every(delayMs, () => called.push('every')),
      once(delayMs, () => called.push('unref'), { unref: true }),
    ];
    await shortDelay();
    for (const cancel of cancels) cancel();
    expect(called).toEqual([]);
  });

  test('that repeats does so until it is cancelled, even from its own callback', async () => {
    let calls = 0;
    await new Promise<void>((resolve) => {
      const cancel = every(1, () => {
        calls += 1;
        if (calls < 3) return;
        cancel();
        resolve();
      });
    });
    await shortDelay();
    expect(calls).toBe(3);
  });

  test('that a library sets gets at most the delay that Node supports', () => {
    expect([5, MONTH_MS, Number.POSITIVE_INFINITY, -1].map(timerDelay)).toEqual([
      5,
      2 ** 31 - 1,
      2 ** 31 - 1,
      0,
    ]);
  });
});

describe('a sleep', () => {
  test('ends after its delay, and at once when it is aborted', async () => {
    const stop = new AbortController();
    const sleeping = sleep(MONTH_MS, stop.signal);
    await sleep(1);
    stop.abort();
    await expect(sleeping).resolves.toBeUndefined();
    await expect(sleep(MONTH_MS, stop.signal)).resolves.toBeUndefined();
  });
});
