/** Bundles of an earlier daemon, which are removed before the first fetch. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BundleSource } from '../../../src/adapters/ssh/bundle-source.ts';
import { NEVER } from '../../fixtures/never.ts';
import { PATCHSET } from '../local/scratch.ts';
import { NodeScratch } from './scratch.ts';

let scratch: NodeScratch;
beforeEach(() => {
  scratch = new NodeScratch({ port: 1, user: 'stack', keyFile: '/nonexistent/key' });
});
afterEach(() => scratch.close());

test('are removed by the next fetch when the first one could not', async () => {
  const { stateDir, nodes } = scratch;
  const packed: string[] = [];
  const source = new BundleSource({
    stateDir,
    nodes,
    bundleTree: async () => {},
    bundlePatchset: async (_patchset, file) => {
      packed.push(file);
      throw new Error('packed');
    },
  });
  const work = { server: scratch.server(), patchset: PATCHSET, trees: [], timeoutMs: 60_000 };
  const request = { type: 'fetchPatchset', key: 'fetch', ...work } as const;
  writeFileSync(stateDir, 'a file in place of the directory');
  await expect(source.fetch(request, NEVER)).rejects.toThrow('ENOTDIR');
  expect(packed).toEqual([]);
  rmSync(stateDir);
  const left = join(stateDir, 'outgoing', 'left');
  mkdirSync(left, { recursive: true });
  await expect(source.fetch(request, NEVER)).rejects.toThrow('packed');
  expect(existsSync(left)).toBe(false);
});
