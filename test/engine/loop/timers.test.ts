/** Timers wait on the monotonic clock; the wall clock matters only for what was set before a restart. */
import { expect, test } from 'vitest';
import { Timers } from '../../../src/engine/loop/timers.ts';
import { FakeClock } from '../../fakes/clock.ts';

/** For how long a daemon was alive since any timer was set. */
const SERVED_MS = 30;

function timersOn(clock: FakeClock) {
  const fired: string[] = [];
  return {
    fired,
    timers: new Timers(
      clock,
      () => SERVED_MS,
      (history, key) => fired.push(`${history} ${key}`),
    ),
  };
}
const timer = (clock: FakeClock, key: string, delayMs: number) =>
  ({ type: 'setTimer', key, delayMs, dueAt: clock.now() + delayMs }) as const;

test('fires once, when it is due, for its own history', async () => {
  const clock = new FakeClock();
  const { timers, fired } = timersOn(clock);
  timers.arm('a', timer(clock, 'k', 100), false);
  timers.arm('b', timer(clock, 'k', 50), false);
  await clock.advance(99);
  expect([fired, timers.size]).toEqual([['b k'], 1]);
  await clock.advance(1_000);
  expect([fired, timers.size]).toEqual([['b k', 'a k'], 0]);
});

test('one that was disarmed does not fire; disarming what fired or never was is no error', async () => {
  const clock = new FakeClock();
  const { timers, fired } = timersOn(clock);
  timers.arm('a', timer(clock, 'k', 100), false);
  timers.disarm('b', 'k');
  timers.disarm('a', 'k');
  timers.disarm('a', 'k');
  timers.arm('a', timer(clock, 'other', 100), false);
  timers.stop();
  await clock.advance(1_000);
  expect([fired, clock.pending]).toEqual([[], 0]);
});

test.each([
  ['fresh, the wall clock jumped forwards since it was asked for', false, 1_000_000, 100],
  ['fresh, and backwards', false, -1_000_000, 100],
  ['restored, a part of it over', true, 60, 40],
  ['restored, overdue', true, 500, 0],
  ['restored, the wall clock went back: not longer than it was set for', true, -1_000_000, 100],
])('%s', async (_, recovered, jump, waits) => {
  const clock = new FakeClock();
  const { timers, fired } = timersOn(clock);
  const due = timer(clock, 'k', 100);
  clock.jump(jump);
  expect(timers.isOverdue(due)).toBe(jump >= 100);
  timers.arm('a', due, recovered);
  if (waits > 0) await clock.advance(waits - 1);
  expect(fired).toEqual([]);
  await clock.advance(1);
  expect(fired).toEqual(['a k']);
});

test.each([
  ['downtime, or a clock that was set forward, takes nothing from a deadline', 1_000_000],
  ['a clock that was set back gives nothing to it', -1_000_000],
])('restored: %s', async (_, jump) => {
  const clock = new FakeClock();
  const { timers, fired } = timersOn(clock);
  const due = timer(clock, 'deadline:queued', 100);
  clock.jump(jump);
  expect(timers.isOverdue(due)).toBe(false);
  timers.arm('a', due, true);
  await clock.advance(69);
  expect(fired).toEqual([]);
  await clock.advance(1);
  expect(fired).toEqual(['a deadline:queued']);
});
