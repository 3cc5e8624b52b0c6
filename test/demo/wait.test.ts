import { describe, expect, test } from 'vitest';
import { DemoFailure, waitFor, waitForPromise } from '../../src/demo/wait.ts';
import { NEVER } from '../fixtures/never.ts';

describe('a wait', () => {
  test('polls until there is a result, including zero and the empty string', async () => {
    let polls = 0;
    const poll = () => {
      polls += 1;
      return polls === 3 ? 0 : null;
    };
    expect(await waitFor('three', 10_000, NEVER, poll)).toBe(0);
    expect(polls).toBe(3);
  });

  test('fails after the timeout', async () => {
    const failure = new DemoFailure('the moon: not within 1ms');
    await expect(waitFor('the moon', 1, NEVER, () => false)).rejects.toEqual(failure);
    await expect(waitForPromise('the moon', 1, NEVER, new Promise(() => undefined))).rejects.toEqual(failure);
  });

  test('can be cancelled', async () => {
    const stop = new AbortController();
    const waiting = waitFor('the moon', 60_000, stop.signal, () => null);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('settles like its promise, fulfilled or rejected', async () => {
    expect(await waitForPromise('it', 10_000, NEVER, Promise.resolve(7))).toBe(7);
    const broken = waitForPromise('it', 10_000, NEVER, Promise.reject(new Error('broken')));
    await expect(broken).rejects.toThrow('broken');
  });
});
