/** Tests of the pool. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Pool } from './volume.mjs';

let pool;
beforeEach(() => {
  pool = new Pool(10);
});

test('a volume takes its size from the pool', () => {
  pool.create('a', 4);
  assert.equal(pool.free, 6);
});

test('a volume is laid out in extents of 256 MB', () => {
  assert.equal(pool.create('a', 4).extents, 16);
});

test('a full pool rejects a new volume', () => {
  assert.throws(() => pool.create('a', 11), /pool is full/);
  assert.equal(pool.free, 10);
});

test('a duplicate name is rejected', () => {
  pool.create('a', 1);
  assert.throws(() => pool.create('a', 1), /volume a exists/);
});

test('a volume grows', () => {
  pool.create('a', 4);
  pool.extend('a', 7);
  assert.equal(pool.free, 3);
});

test('a volume cannot shrink', () => {
  pool.create('a', 4);
  assert.throws(() => pool.extend('a', 3), /cannot shrink/);
});

test('removing a volume frees its size', () => {
  pool.create('a', 4);
  pool.remove('a');
  assert.equal(pool.free, 10);
});
