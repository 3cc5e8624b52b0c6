import { describe, expect, it } from 'vitest';
import { collectGarbage, IdleGc } from '../../src/app/idle-gc.ts';
import { FakeClock } from '../fakes/clock.ts';

describe('an idle daemon', () => {
  it('runs a garbage collection once, five seconds after the last row', async () => {
    const clock = new FakeClock();
    let collected = 0;
    const idleGc = new IdleGc(clock, 5_000, () => {
      collected += 1;
    });
    idleGc.reset();
    await clock.advance(4_999);
    idleGc.reset();
    await clock.advance(4_999);
    expect(collected).toBe(0);
    await clock.advance(1);
    expect(collected).toBe(1);
    await clock.advance(3_600_000);
    expect(collected).toBe(1);
    idleGc.reset();
    idleGc.stop();
    await clock.advance(3_600_000);
    expect(collected).toBe(1);
  });

  it('frees unreachable objects', async () => {
    const garbage = new WeakRef(new Array(1_000).fill('x'));
    await collectGarbage();
    expect(garbage.deref()).toBeUndefined();
  });
});
