/** The fake fulfils the contract of sources, and fails and waits as a test configures it. */
import { expect, it } from 'vitest';
import type { Patchset } from '../../src/machines/model/domain.ts';
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

it('fails and hangs as configured', async () => {
  const source = new FakeSource();
  const signal = new AbortController().signal;
  const tree = { project: 'p', branch: 'master', base: 'b'.repeat(40), revision: 'c'.repeat(40) };
  const request = {
    type: 'fetchPatchset',
    key: 'fetch',
    server,
    patchset: patchset(1),
    trees: [tree],
    timeoutMs: 1_000,
  } as const;
  source.failNext({ operation: 'o', target: 't', message: 'no route', retryable: true, hint: 'h' });
  await expect(source.fetch(request, signal)).rejects.toThrow('no route');
  source.holdNext('request');
  const fetching = source.fetch(request, signal);
  expect(source.tree(server)).toBeUndefined();
  source.release();
  expect(await fetching).toBe(tree.revision);
  expect(source.trees(server)).toEqual([tree]);
});
