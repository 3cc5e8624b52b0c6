import { describe, expect, test } from 'vitest';
import { Semaphore } from '../src/semaphore.ts';
import { NEVER } from './fixtures/never.ts';

describe('Semaphore', () => {
  test('allows that many holders at a time, and then serves waiters in order', async () => {
    const semaphore = new Semaphore(2);
    const order: string[] = [];
    const [a, b] = [await semaphore.acquire(NEVER), await semaphore.acquire(NEVER)];
    const c = semaphore.acquire(NEVER).then((release) => {
      order.push('c');
      return release;
    });
    const d = semaphore.acquire(NEVER).then(() => order.push('d'));
    expect(semaphore.waiting).toBe(2);
    a();
    const releaseC = await c;
    expect(order).toEqual(['c']);
    releaseC();
    await d;
    b();
    expect(order).toEqual(['c', 'd']);
    expect(semaphore.waiting).toBe(0);
  });

  test('admits only one waiter if a holder releases twice', async () => {
    const semaphore = new Semaphore(1);
    const release = await semaphore.acquire(NEVER);
    release();
    release();
    await semaphore.acquire(NEVER);
    const waiting = semaphore.acquire(NEVER);
    expect(semaphore.waiting).toBe(1);
    expect(await Promise.race([waiting, Promise.resolve('waits')])).toBe('waits');
  });

  test('rejects an aborted waiter, and still serves the waiters behind it', async () => {
    const semaphore = new Semaphore(1);
    const release = await semaphore.acquire(NEVER);
    const stop = new AbortController();
    const abandoned = semaphore.acquire(stop.signal);
    const behind = semaphore.acquire(NEVER);
    stop.abort(new Error('enough'));
    await expect(abandoned).rejects.toThrow('enough');
    release();
    (await behind)();
    await expect(semaphore.acquire(AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
    expect(semaphore.waiting).toBe(0);
  });
});
