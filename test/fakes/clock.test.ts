/** The tests of the engine rely on this clock. */
import { expect, test } from 'vitest';
import { FakeClock } from './clock.ts';

test('fires due timers in order, including those that are set meanwhile', async () => {
  const clock = new FakeClock(1000);
  const fired: string[] = [];
  clock.after(20, () => fired.push(`b at ${clock.now()}`));
  clock.after(10, () => {
    fired.push(`a at ${clock.now()}`);
    clock.after(5, () => fired.push(`a2 at ${clock.monotonic()}`));
  });
  clock.after(20, () => fired.push('c'));
  clock.after(31, () => fired.push('never'));
  await clock.advance(30);
  expect(fired).toEqual(['a at 1010', 'a2 at 15', 'b at 1020', 'c']);
  expect(clock.now()).toBe(1030);
  expect(clock.pending).toBe(1);
  expect(clock.nextIn).toBe(1);
});

test('lets promises settle between timers', async () => {
  const clock = new FakeClock();
  const order: string[] = [];
  clock.after(1, () => {
    void Promise.resolve()
      .then(() => new Promise((resolve) => setImmediate(resolve)))
      .then(() => order.push('work of the first'));
  });
  clock.after(2, () => order.push('second'));
  await clock.advance(2);
  expect(order).toEqual(['work of the first', 'second']);
});

test('a cancelled timer does not fire', async () => {
  const clock = new FakeClock();
  let fired = false;
  const cancel = clock.after(1, () => {
    fired = true;
  });
  cancel();
  await clock.advance(10);
  expect(fired).toBe(false);
});

test('a jump moves only the wall clock', async () => {
  const clock = new FakeClock(1000);
  let fired = 0;
  clock.after(10, () => {
    fired += 1;
  });
  clock.jump(3_600_000);
  expect([clock.now(), clock.monotonic(), fired]).toEqual([3_601_000, 0, 0]);
  clock.jump(-7_200_000);
  await clock.advance(10);
  expect([clock.now(), clock.monotonic(), fired]).toEqual([-3_598_990, 10, 1]);
});
