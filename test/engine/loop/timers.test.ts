/** Timers use the monotonic clock; the wall clock matters only for timers that were set before a restart. */
import { expect, test } from 'vitest';
import { Timers } from '../../../src/engine/loop/timers.ts';
import { FakeClock } from '../../fakes/clock.ts';

/** How long a daemon has been running since any timer was set. */
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

test('a disarmed timer does not fire; disarming a fired or unknown timer is not an error', async () => {
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
  ['new, with a forward jump of the wall clock', false, 1_000_000, 100],
  ['new, with a backward jump of the wall clock', false, -1_000_000, 100],
  ['restored, with a part of the delay over', true, 60, 40],
  ['restored, overdue', true, 500, 0],
  ['restored, with a backward jump of the wall clock: waits at most its delay', true, -1_000_000, 100],
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
  ['downtime, or a clock that was set forward, does not shorten a deadline', 1_000_000],
  ['a clock that was set back does not extend a deadline', -1_000_000],
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
