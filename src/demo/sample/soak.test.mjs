/** Creates and removes volumes for as long as soak.json says; the pool must end unchanged. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from './volume.mjs';

const { seconds } = JSON.parse(readFileSync('soak.json', 'utf8'));

test('creating and removing volumes leaks no space', async () => {
  const pool = new Pool(10);
  for (let round = 0; round < seconds * 10; round += 1) {
    pool.create('a', 1 + (round % 10));
    await pause(100);
    pool.remove('a');
  }
  assert.equal(pool.free, 10);
});
