import { describe, expect, test } from 'vitest';
import { Semaphore } from '../src/semaphore.ts';
import { NEVER } from './fixtures/never.ts';

describe('turns', () => {
  test('are given to so many at a time, and then in the order of asking', async () => {
    const turns = new Semaphore(2);
    const order: string[] = [];
    const [a, b] = [await turns.acquire(NEVER), await turns.acquire(NEVER)];
    const c = turns.acquire(NEVER).then((over) => {
      order.push('c');
      return over;
    });
    const d = turns.acquire(NEVER).then(() => order.push('d'));
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
    const turns = new Semaphore(1);
    const over = await turns.acquire(NEVER);
    over();
    over();
    await turns.acquire(NEVER);
    const waiting = turns.acquire(NEVER);
    expect(turns.waiting).toBe(1);
    expect(await Promise.race([waiting, Promise.resolve('waits')])).toBe('waits');
  });

  test('are not waited for by who is told to stop, and nobody behind loses theirs', async () => {
    const turns = new Semaphore(1);
    const over = await turns.acquire(NEVER);
    const stop = new AbortController();
    const left = turns.acquire(stop.signal);
    const behind = turns.acquire(NEVER);
    stop.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    over();
    (await behind)();
    await expect(turns.acquire(AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
    expect(turns.waiting).toBe(0);
  });
});
