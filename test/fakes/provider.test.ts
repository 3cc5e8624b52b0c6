/** The fake fulfils the contract of providers, and its additions for tests work. */

import { describe, expect, it } from 'vitest';
import { providerContract } from '../contracts/provider.ts';
import { NEVER } from '../fixtures/never.ts';
import { FakeProvider } from './provider.ts';

providerContract('fake', async () => ({ provider: new FakeProvider(), close: async () => {} }));

const owner = { deployment: 'ours', job: 'job-1', attempt: 1 };
const request = {
  type: 'createServer',
  key: 'k',
  provider: 'fake',
  name: 'one',
  owner,
  timeoutMs: 1,
} as const;
const failure = { operation: 'o', target: 't', message: 'out of order', retryable: true, hint: 'h' };
const signal = NEVER;

describe('FakeProvider', () => {
  it('fails only the next call of a name, once', async () => {
    const provider = new FakeProvider();
    provider.failNext(failure, 'delete');
    const server = await provider.create(request, signal);
    await expect(provider.delete(server, 'ours', NEVER)).rejects.toThrow('out of order');
    await provider.delete(server, 'ours', NEVER);
    expect([provider.created, provider.deleted, provider.calls.count('delete')]).toEqual([1, 1, 2]);
  });

  it('can delay an answer after the server was created', async () => {
    const provider = new FakeProvider();
    provider.holdNext();
    const creating = provider.create(request, signal);
    await provider.calls.reached('create');
    expect([provider.servers().length, provider.calls.held]).toEqual([1, 1]);
    expect(provider.release()).toBe(true);
    expect((await creating).name).toBe('one');
    expect(provider.release()).toBe(false);
  });

  it('can delay a request', async () => {
    const provider = new FakeProvider();
    provider.holdNext('request');
    const creating = provider.create(request, signal);
    expect(provider.servers()).toEqual([]);
    provider.release();
    await creating;
    expect(provider.servers()).toHaveLength(1);
  });

  it('keeps the server when the wait for its answer is aborted', async () => {
    const provider = new FakeProvider();
    const abort = new AbortController();
    provider.holdNext();
    const creating = provider.create(request, abort.signal);
    abort.abort();
    await expect(creating).rejects.toThrow('no answer in time');
    expect(provider.servers()).toHaveLength(1);
  });

  it('reports each deleted server, and the maximum number at a time', async () => {
    const provider = new FakeProvider();
    const deleted: string[] = [];
    provider.onDeleted = (server) => deleted.push(server.name);
    const { server } = provider.add({ name: 'zero', owner });
    await provider.create(request, signal);
    await provider.delete(server, 'ours', NEVER);
    expect([deleted, provider.peak]).toEqual([['zero'], 2]);
  });
});
