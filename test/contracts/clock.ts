/** The contract of clocks. The harness of a fake clock advances it; a real clock advances without help. */
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/engine/ports/adapters.ts';

export interface ClockHarness {
  readonly clock: Clock;
  pass(ms: number): Promise<void>;
}

const MONTH_MS = 31 * 86_400_000;

export function clockContract(name: string, start: () => ClockHarness): void {
  describe(`clock contract: ${name}`, () => {
    test('calls once, not before the delay is over, and in order of the due times', async () => {
      const { clock, pass } = start();
      const begin = clock.monotonic();
      const called: [string, number][] = [];
      const all = new Promise<void>((resolve) => {
        clock.after(60, () => {
          called.push(['late', clock.monotonic() - begin]);
          resolve();
        });
      });
      clock.after(20, () => called.push(['early', clock.monotonic() - begin]));
      await pass(60);
      await all;
      expect(called.map(([which]) => which)).toEqual(['early', 'late']);
      expect(called[0]?.[1]).toBeGreaterThanOrEqual(20);
      expect(called[1]?.[1]).toBeGreaterThanOrEqual(60);
    });

    test('never calls synchronously, even without a delay or with a past one', async () => {
      const { clock, pass } = start();
      const called: string[] = [];
      clock.after(0, () => called.push('called'));
      const both = Promise.all(
        [0, -5].map((ms) => new Promise<void>((resolve) => clock.after(ms, () => resolve()))),
      );
      expect(called).toEqual([]);
      await pass(1);
      await both;
      expect(called).toEqual(['called']);
    });

    test('a cancelled timer is not called; cancelling twice or late is no error', async () => {
      const { clock, pass } = start();
      const called: string[] = [];
      const cancel = clock.after(5, () => called.push('cancelled'));
      cancel();
      cancel();
      const done = new Promise<void>((resolve) => {
        const late = clock.after(30, () => {
          late();
          resolve();
        });
      });
      await pass(30);
      await done;
      expect(called).toEqual([]);
    });

    test('a delay of months is not due at once, although a timer holds at most 25 days', async () => {
      const { clock, pass } = start();
      const called: string[] = [];
      const cancel = clock.after(MONTH_MS, () => called.push('months'));
      const done = new Promise<void>((resolve) => {
        clock.after(30, () => resolve());
      });
      await pass(30);
      await done;
      cancel();
      expect(called).toEqual([]);
    });

    test('now is the wall clock; monotonic never goes back', () => {
      const { clock } = start();
      expect(clock.now()).toBeGreaterThan(Date.UTC(2025, 0));
      const [one, other] = [clock.monotonic(), clock.monotonic()];
      expect(other).toBeGreaterThanOrEqual(one);
    });
  });
}
