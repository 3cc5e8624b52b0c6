/** The fake keeps a source's promises, and fails and waits as a test prepares it. */
import { expect, it } from 'vitest';
import type { Patchset } from '../../src/machines/vocabulary.ts';
import { sourceContract } from '../contracts/source.ts';
import { FakeSource } from './source.ts';

const server = { id: 's', name: 's', address: '/', provider: 'fake' };

function patchset(number: number): Patchset {
  return {
    project: 'p',
    branch: 'master',
    change: 1,
    patchset: number,
    revision: String(number).repeat(40),
    ref: `refs/changes/01/1/${number}`,
    subject: '',
    owner: '',
    url: '',
    topic: '',
  };
}

sourceContract('fake', async () => {
  const source = new FakeSource();
  const held = async () => source.tree(server)?.revision ?? null;
  return { source, server, first: patchset(1), second: patchset(2), held, close: async () => {} };
});

it('fails and hangs as it was prepared', async () => {
  const source = new FakeSource();
  const signal = new AbortController().signal;
  source.failNext({ operation: 'o', target: 't', message: 'no route', retryable: true, hint: 'h' });
  await expect(source.fetch(server, patchset(1), signal)).rejects.toThrow('no route');
  source.holdNext('request');
  const fetching = source.fetch(server, patchset(1), signal);
  expect(source.tree(server)).toBeUndefined();
  source.release();
  expect(await fetching).toBe('1'.repeat(40));
});
