/** How SQLite is opened: its settings, what is refused, and the log after its WAL was cut. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ProcHostMetrics } from '../../../src/adapters/host/host-metrics.ts';
import { openReadOnly, openWritable, translate } from '../../../src/adapters/sqlite/database.ts';
import { openReader, openSnapshot } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { verifyLog } from '../../../src/engine/operations/verify-log.ts';
import { StoreUnavailable } from '../../../src/engine/ports/store.ts';
import { runs } from '../../fixtures/effort.ts';
import { sha256 } from '../../machines/simulator.ts';
import { OtherProgram } from './processes.ts';
import { addJobs, type Scratch, scratch } from './rig.ts';

const program = new OtherProgram();
let directory: Scratch;
let file: string;

beforeAll(() => program.build());
afterAll(() => program.remove());
beforeEach(() => {
  directory = scratch();
  file = join(directory.path, 'sos-ci.db');
});
afterEach(() => directory.remove());

test('every connection syncs each commit, in WAL mode, with a recent SQLite', () => {
  const store = openStore(file);
  const { database } = store as unknown as { readonly database: Sqlite.Database };
  const reader = openReader(file);
  const { database: reading } = reader as unknown as { readonly database: Sqlite.Database };
  const connections = [database, reading, openWritable(file), openReadOnly(file)];
  for (const connection of connections) {
    expect(connection.pragma('synchronous', { simple: true })).toBe(2);
    expect(connection.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(connection.pragma('cache_size', { simple: true }), 'pages in memory, KiB').toBe(-4096);
  }
  const version = database.prepare('SELECT sqlite_version() AS version').get() as { version: string };
  const [major = 0, minor = 0, patch = 0] = version.version.split('.').map(Number);
  expect(major * 1_000_000 + minor * 1_000 + patch).toBeGreaterThanOrEqual(3_051_003);
  for (const connection of connections) connection.close();
});

test('a reader cannot write', () => {
  openStore(file).close();
  const reading = openReadOnly(file);
  expect(() => reading.exec("INSERT INTO meta VALUES ('a', 'b')")).toThrow(/readonly/);
  reading.close();
});

test('its files are private, also those that were not', () => {
  const files = [file, `${file}-wal`, `${file}-shm`];
  const modes = () => files.map((path) => statSync(path).mode & 0o777);
  const store = openStore(file);
  expect(modes()).toEqual([0o600, 0o600, 0o600]);
  for (const path of files) chmodSync(path, 0o644);
  openWritable(file).close();
  expect(modes()).toEqual([0o600, 0o600, 0o600]);
  store.close();
});

test('a new WAL is extended once, so that later appends need not extend it', () => {
  const store = openStore(file);
  expect(statSync(`${file}-wal`).size).toBeGreaterThanOrEqual(4 * 1024 * 1024);
  store.close();
});

test('a WAL that grows during a long read is detected, and shrinks afterwards', async () => {
  const store = openStore(file);
  const metrics = new ProcHostMetrics({ paths: [], database: file, archiveProblem: () => null });
  const walBytes = async () => (await metrics.read()).walBytes ?? 0;
  const write = () => {
    for (let time = 0; time < 80; time += 1) {
      const message = 'x'.repeat(200_000 + time);
      store.alarm({ kind: 'disk-low', target: 'stateDir', message, hint: '' }, time);
    }
  };
  const reading = openSnapshot(file);
  write();
  expect(await walBytes()).toBeGreaterThan(16 * 1024 * 1024);
  reading.close();
  write();
  expect(await walBytes()).toBeLessThanOrEqual(8 * 1024 * 1024);
  store.close();
});

describe('a database that cannot be opened', () => {
  test.each([
    ['a missing directory', () => openStore(join(directory.path, 'no', 'sos-ci.db')), 'stateDir exists'],
    ['a reader without a database', () => openReader(file), 'start `sos-ci daemon` once'],
    [
      'a directory in place of the file',
      () => {
        mkdirSync(file);
        return openStore(file);
      },
      'writable',
    ],
    [
      'another kind of file',
      () => {
        writeFileSync(file, 'x'.repeat(4096));
        return openStore(file);
      },
      'check that this is a sos-ci database',
    ],
    [
      'a foreign database',
      () => {
        const other = new Sqlite(file);
        other.exec('CREATE TABLE event (a); PRAGMA user_version = 0');
        other.close();
        return openStore(file);
      },
      'check that this is a sos-ci database',
    ],
  ])('%s', (_, open, hint) => {
    expect(open).toThrow(
      expect.objectContaining({ name: 'OperationError', hint: expect.stringContaining(hint) }),
    );
  });
});

test.each([
  ['SQLITE_FULL', 'free space'],
  ['SQLITE_IOERR_FSYNC', 'failing'],
  ['SQLITE_BUSY', 'another program'],
  ['SQLITE_BUSY_SNAPSHOT', 'another program'],
  ['SQLITE_READONLY', 'writable'],
  ['SQLITE_READONLY_DBMOVED', 'writable'],
  ['SQLITE_CANTOPEN', 'writable'],
])('%s is reported as temporary', (code, hint) => {
  const translated = translate(new Sqlite.SqliteError('no', code));
  expect(translated).toBeInstanceOf(StoreUnavailable);
  expect(translated).toMatchObject({ hint: expect.stringContaining(hint) });
});

test.each(['SQLITE_CORRUPT', 'SQLITE_CONSTRAINT', 'SQLITE_ERROR'])('%s is returned unchanged', (code) => {
  const thrown = new Sqlite.SqliteError('no', code);
  expect(translate(thrown)).toBe(thrown);
  expect(translate('a text')).toBe('a text');
});

test('a database that became read-only is reported as such, and loses nothing', async () => {
  const store = openStore(file);
  await addJobs(store, 1);
  const rows = [...store.log()].length;
  const { database } = store as unknown as { readonly database: Sqlite.Database };
  // root can write to read-only files, so SQLite's own switch causes the same error.
  chmodSync(file, 0o400);
  database.pragma('query_only = ON');
  const refused = addJobs(store, 1);
  await expect(refused).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(refused).rejects.toMatchObject({ hint: expect.stringContaining('writable') });
  store.count('patchset-created', 1);
  chmodSync(file, 0o600);
  database.pragma('query_only = OFF');
  await addJobs(store, 1);
  expect([...store.log()]).toHaveLength(2 * rows);
  store.close();
});

test('keeps every confirmed row when it is killed during appends', {
  timeout: 60_000,
}, async () => {
  const other = await program.start('write', file);
  let reported = 0;
  for (let lines = 0; lines < 20; lines += 1) reported += Number(await other.line());
  await other.kill();
  const store = openStore(file);
  expect([...store.log()].length).toBeGreaterThanOrEqual(reported);
  expect(audited(store)).toEqual({ differences: [], views: [] });
  store.close();
});

test('a WAL cut at any byte leaves a log without gaps that opens and continues', {
  timeout: 60_000,
}, async () => {
  const store = openStore(file);
  const { database } = store as unknown as { readonly database: Sqlite.Database };
  await addJobs(store, 10);
  database.pragma('wal_checkpoint(TRUNCATE)');
  const kept = [...store.log()].length;
  await addJobs(store, 30);
  const whole = [...store.log()];
  const copy = join(directory.path, 'copy.db');
  const wal = readFileSync(`${file}-wal`);
  const lengths = new Set<number>();
  const cuts = runs(40, 20);
  for (let cut = 0; cut < cuts; cut += 1) {
    copyFileSync(file, copy);
    // Spread over the whole WAL, and rarely at the edge of a frame.
    writeFileSync(`${copy}-wal`, wal.subarray(0, Math.floor((wal.length * cut) / cuts) + cut * 7));
    if (existsSync(`${copy}-shm`)) writeFileSync(`${copy}-shm`, '');
    const opened = openStore(copy);
    const rows = [...opened.log()];
    expect(rows).toEqual(whole.slice(0, rows.length));
    expect(rows.length).toBeGreaterThanOrEqual(kept);
    lengths.add(rows.length);
    if (cut % 10 === 9) {
      expect(audited(opened)).toEqual({ differences: [], views: [] });
      await addJobs(opened, 1);
      expect([...opened.log()]).toHaveLength(rows.length + 2);
    }
    opened.close();
  }
  expect(lengths.size).toBeGreaterThan(10);
  store.close();
});

function audited(store: ReturnType<typeof openStore>) {
  const scratchStore = openStore(':memory:');
  const { differences, views } = verifyLog(store, scratchStore, sha256);
  scratchStore.close();
  return { differences, views };
}
