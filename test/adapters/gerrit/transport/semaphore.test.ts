import { describe, expect, test } from 'vitest';
import { Turns } from '../../../../src/adapters/gerrit/transport/semaphore.ts';

const never = new AbortController().signal;

describe('turns', () => {
  test('are given to so many at a time, and then in the order of asking', async () => {
    const turns = new Turns(2);
    const order: string[] = [];
    const [a, b] = [await turns.take(never), await turns.take(never)];
    const c = turns.take(never).then((over) => {
      order.push('c');
      return over;
    });
    const d = turns.take(never).then(() => order.push('d'));
    expect(turns.waiting).toBe(2);
    a();
    const overC = await c;
    expect(order).toEqual(['c']);
    overC();
    await d;
    b();
    expect(order).toEqual(['c', 'd']);
    expect(turns.waiting).toBe(0);
  });

  test('end once: ending twice lets nobody in twice', async () => {
    const turns = new Turns(1);
    const over = await turns.take(never);
    over();
    over();
    await turns.take(never);
    const waiting = turns.take(never);
    expect(turns.waiting).toBe(1);
    expect(await Promise.race([waiting, Promise.resolve('waits')])).toBe('waits');
  });

  test('are not waited for by who is told to stop, and nobody behind loses theirs', async () => {
    const turns = new Turns(1);
    const over = await turns.take(never);
    const stop = new AbortController();
    const left = turns.take(stop.signal);
    const behind = turns.take(never);
    stop.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    over();
    (await behind)();
    await expect(turns.take(AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
    expect(turns.waiting).toBe(0);
  });
});
