/** A copy of a database in use: complete, of one point in time, and without blocking writers. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { backupStore } from '../../../src/adapters/sqlite/backup.ts';
import { openReader, openSnapshot } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { verifyLog } from '../../../src/engine/operations/verify-log.ts';
import type { StoreReader } from '../../../src/engine/ports/store.ts';
import { sha256 } from '../../machines/simulator.ts';
import { OtherProgram } from './processes.ts';
import { addJobs, type Scratch, scratch } from './rig.ts';

const program = new OtherProgram();
let directory: Scratch;
let file: string;
let target: string;

beforeAll(() => program.build());
afterAll(() => program.remove());
beforeEach(() => {
  directory = scratch();
  file = join(directory.path, 'sos-ci.db');
  target = join(directory.path, 'backup.db');
});
afterEach(() => directory.remove());

test('copies a database completely while another process writes to it', {
  timeout: 120_000,
}, async () => {
  const other = await program.start('write', file);
  for (let lines = 0; lines < 30; lines += 1) await other.line();
  const left: number[] = [];
  await backupStore(file, target, (pages) => left.push(pages));
  const copy = openReader(target);
  expect([...copy.log()].length).toBeGreaterThanOrEqual(60);
  expect(audited(copy)).toEqual({ differences: [], views: [] });
  copy.close();
  await other.kill();
  expect(readdirSync(directory.path).filter((name) => name.includes('.part'))).toEqual([]);
});

test('creates a copy that only its owner can read', async () => {
  openStore(file).close();
  await backupStore(file, target, () => {});
  expect((statSync(target).mode & 0o777).toString(8)).toBe('600');
});

test('is not restarted by writes between its steps', { timeout: 60_000 }, async () => {
  const store = openStore(file);
  const { database } = store as unknown as { readonly database: import('better-sqlite3').Database };
  // More pages than one step copies.
  database.prepare("INSERT INTO meta VALUES ('large', hex(zeroblob(4000000)))").run();
  await addJobs(store, 5);
  const rows = [...store.log()];
  const left: number[] = [];
  let writing = Promise.resolve(0);
  await backupStore(file, target, (pages) => {
    left.push(pages);
    writing = writing.then(() => addJobs(store, 1));
  });
  await writing;
  expect(left.length).toBeGreaterThan(1);
  expect(left).toEqual([...left].sort((one, other) => other - one));
  expect([...store.log()].length).toBeGreaterThan(rows.length);
  const copy = openReader(target);
  expect([...copy.log()]).toEqual(rows);
  copy.close();
  store.close();
});

test('overwrites nothing, and leaves nothing behind when it fails', async () => {
  openStore(file).close();
  writeFileSync(target, 'precious');
  await expect(backupStore(file, target, () => {})).rejects.toMatchObject({
    name: 'OperationError',
    message: expect.stringContaining('never overwrites'),
  });
  const nowhere = join(directory.path, 'no', 'backup.db');
  await expect(backupStore(file, nowhere, () => {})).rejects.toMatchObject({ name: 'OperationError' });
  await expect(backupStore(join(directory.path, 'none.db'), `${target}2`, () => {})).rejects.toMatchObject({
    name: 'OperationError',
  });
  expect(existsSync(`${target}2`) || existsSync(`${target}.part`)).toBe(false);
});

test('verify compares one point in time, while a daemon keeps writing', async () => {
  const store = openStore(file);
  await addJobs(store, 2);
  const snapshot = openSnapshot(file);
  const rows = [...snapshot.log()];
  await addJobs(store, 2);
  expect([...snapshot.log()]).toEqual(rows);
  expect(audited(snapshot)).toEqual({ differences: [], views: [] });
  snapshot.close();
  store.close();
});

function audited(reader: StoreReader) {
  const scratchStore = openStore(':memory:');
  const { differences, views } = verifyLog(reader, scratchStore, sha256);
  scratchStore.close();
  return { differences, views };
}
