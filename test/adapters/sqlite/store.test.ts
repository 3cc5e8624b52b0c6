/** The store contract on SQLite, on disk and in memory, and behaviour that is specific to it. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openReader } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { Engine } from '../../../src/engine/loop/engine.ts';
import { StoreUnavailable } from '../../../src/engine/ports/store.ts';
import { storeContract } from '../../contracts/store.ts';
import { storeIntakeContract } from '../../contracts/store-intake.ts';
import { ENGINE_BOUNDS } from '../../fixtures/bounds.ts';
import { sha256 } from '../../machines/simulator.ts';
import { addJobs, jobsIn, scratch, submissions, testAdapters } from './rig.ts';

const onDisk = () => {
  const directory = scratch();
  const file = join(directory.path, 'sos-ci.db');
  const store = openStore(file);
  return {
    store,
    reader: () => openReader(file),
    raw: (sql: string) => {
      const other = new Sqlite(file);
      try {
        other.exec(sql);
      } finally {
        other.close();
      }
    },
    close: () => {
      store.close();
      directory.remove();
    },
  };
};

const inMemory = () => {
  const store = openStore(':memory:');
  // A database in memory can only be read through its own connection.
  const { database } = store as unknown as { readonly database: Sqlite.Database };
  return { store, reader: null, raw: (sql: string) => database.exec(sql), close: () => store.close() };
};

storeContract('SQLite on disk', onDisk);
storeContract('SQLite :memory:', inMemory);
storeIntakeContract('SQLite on disk', onDisk);
storeIntakeContract('SQLite :memory:', inMemory);

test('submissions of one tick are one transaction', async () => {
  const directory = scratch();
  const store = openStore(join(directory.path, 'sos-ci.db'));
  const sizes: number[] = [];
  const append = store.append.bind(store);
  store.append = (batch) => {
    sizes.push(batch.length);
    return append(batch);
  };
  const engine = new Engine({
    store,
    ...testAdapters(),
    hash: sha256,
    bounds: ENGINE_BOUNDS,
    strict: true,
    onStoreFailure: () => {},
    onAppended: () => {},
    onFatal: (error) => {
      throw error;
    },
  });
  await Promise.all(Array.from({ length: 100 }, (_, number) => engine.submit(submissions(number))));
  expect(sizes[0]).toBe(200);
  expect(jobsIn(store)).toBe(100);
  await engine.stop();
  store.close();
  directory.remove();
});

test('a store that was closed and opened again continues', async () => {
  const directory = scratch();
  const file = join(directory.path, 'sos-ci.db');
  const first = openStore(file);
  await addJobs(first, 3);
  const [log, views, open, deployment] = [
    [...first.log()],
    [...first.views()],
    first.open(),
    first.deployment(),
  ];
  first.close();
  const second = openStore(file);
  expect([[...second.log()], [...second.views()], second.open(), second.deployment()]).toEqual([
    log,
    views,
    open,
    deployment,
  ]);
  second.close();
  directory.remove();
});

test.each([
  ['its text', "UPDATE history_view SET stored = replace(stored, 'queued', 'booted')"],
  ['its text, invalid JSON', "UPDATE history_view SET stored = '{'"],
  ['its hash', "UPDATE history_view SET hash = 'x'"],
  ['its version, to one that is not in the log', 'UPDATE history_view SET version = 7'],
])('a damaged view row is an error with a hint: %s', async (_, sql) => {
  const directory = scratch();
  const file = join(directory.path, 'sos-ci.db');
  const store = openStore(file);
  await addJobs(store, 1);
  const raw = new Sqlite(file);
  raw.exec(sql);
  raw.close();
  expect(() => store.open()).toThrow(/does not match its log: run sos-ci verify, then rebuild/);
  store.close();
  directory.remove();
});

test('a view that lags behind its log is an error with a hint', async () => {
  const directory = scratch();
  const file = join(directory.path, 'sos-ci.db');
  const store = openStore(file);
  await addJobs(store, 1);
  const raw = new Sqlite(file);
  const old = raw.prepare('SELECT * FROM history_view').all() as Record<string, unknown>[];
  const rows = await addJobs(store, 0, true);
  expect(rows).toBeGreaterThan(0);
  for (const { history, version, stored, hash } of old) {
    raw
      .prepare('UPDATE history_view SET version = ?, stored = ?, hash = ?, ended = 0 WHERE history = ?')
      .run(version, stored, hash, history);
  }
  raw.close();
  expect(() => store.open()).toThrow(/does not match its log/);
  store.close();
  directory.remove();
});

test('on a full disk nothing is written and the caller gets an error; with free space it works again', async () => {
  const directory = scratch();
  const store = openStore(join(directory.path, 'sos-ci.db'));
  await addJobs(store, 1);
  const { database } = store as unknown as { readonly database: Sqlite.Database };
  // SQLite's own limit replaces the disk's: the same error, at the same point.
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.exec('VACUUM');
  database.pragma(`max_page_count = ${Number(database.pragma('page_count', { simple: true }))}`);
  const before = [[...store.log()], [...store.views()]];
  const filling = addJobs(store, 40);
  await expect(filling).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(filling).rejects.toMatchObject({ hint: expect.stringContaining('free space') });
  expect([...store.log()].slice(0, before[0]?.length)).toEqual(before[0]);
  store.count('patchset-created', 1);
  database.pragma('max_page_count = 1000000');
  const rows = [...store.log()].length;
  await addJobs(store, 40);
  expect([...store.log()].length).toBeGreaterThan(rows);
  store.close();
  directory.remove();
});

test('while another program locks the database nothing is written, and afterwards it is', {
  timeout: 60_000,
}, async () => {
  const directory = scratch();
  const file = join(directory.path, 'sos-ci.db');
  const store = openStore(file);
  const other = new Sqlite(file);
  other.exec('BEGIN IMMEDIATE');
  const blocked = addJobs(store, 1);
  await expect(blocked).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(blocked).rejects.toMatchObject({ message: expect.stringContaining('SQLITE_BUSY') });
  // A count reports no error to the caller.
  store.count('patchset-created', 1);
  other.exec('ROLLBACK');
  other.close();
  await addJobs(store, 1);
  expect(jobsIn(store)).toBe(1);
  store.close();
  directory.remove();
});
