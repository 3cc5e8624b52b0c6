/**
 * Counts are written with the next append or after a short wait, so that a busy stream does not cause a sync for each
 * line.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openReader } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import type { LogEntry, Store } from '../../../src/engine/ports/store.ts';
import { addJobs, type Scratch, scratch } from './rig.ts';

let directory: Scratch;
let store: Store;
const file = () => join(directory.path, 'sos-ci.db');

beforeEach(() => {
  directory = scratch();
  store = openStore(file());
});

afterEach(() => {
  store.close();
  directory.remove();
});

const othersSee = (): Readonly<Record<string, number>> => {
  const reader = openReader(file());
  try {
    return reader.intake();
  } finally {
    reader.close();
  }
};

test('writes the counts with the next append, once', async () => {
  store.count('patchset-created', 2);
  store.count('patchset-created', 1);
  expect(othersSee()).toEqual({});
  await addJobs(store, 1);
  expect(othersSee()).toEqual({ 'patchset-created': 3 });
  await addJobs(store, 1);
  expect(othersSee()).toEqual({ 'patchset-created': 3 });
});

test('keeps the counts for the next append if one is refused', async () => {
  const append = store.append.bind(store);
  let batch: readonly LogEntry[] = [];
  store.append = (appends) => {
    batch = appends;
    return append(appends);
  };
  await addJobs(store, 1);
  store.count('comment-added', 1);
  await expect(store.append(batch)).rejects.toThrow();
  expect(othersSee()).toEqual({});
  await addJobs(store, 1);
  expect(othersSee()).toEqual({ 'comment-added': 1 });
});

test('writes the counts without an append after a delay, and on close', async () => {
  store.count('ref-updated', 1);
  await expect.poll(othersSee, { timeout: 20_000 }).toEqual({ 'ref-updated': 1 });
  store.count('ref-updated', 1);
  store.close();
  expect(othersSee()).toEqual({ 'ref-updated': 2 });
});
