/** The metrics on the test's own host. Unknown values are not errors. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ProcHostMetrics } from '../../../src/adapters/host/host-metrics.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-metrics-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('directories on one disk are one entry, including missing ones', async () => {
  mkdirSync(join(dir, 'logs'));
  const metrics = new ProcHostMetrics({
    paths: [
      { path: dir, holds: 'stateDir' },
      { path: join(dir, 'logs'), holds: 'logs' },
      { path: join(dir, 'not', 'yet'), holds: 'events' },
    ],
    database: join(dir, 'sos-ci.db'),
    archiveProblem: () => 'no space',
  });
  const { disks, walBytes, archiveProblem } = await metrics.read();
  expect(disks).toMatchObject([{ path: dir, holds: 'stateDir and logs and events' }]);
  expect(disks[0]?.freeBytes).toBeGreaterThan(0);
  expect([walBytes, archiveProblem]).toEqual([null, 'no space']);
});

test('another file system is a separate disk', async () => {
  const paths = [
    { path: dir, holds: 'stateDir' },
    { path: '/proc', holds: 'logs' },
  ];
  const metrics = new ProcHostMetrics({ paths, database: join(dir, 'x'), archiveProblem: () => null });
  expect((await metrics.read()).disks.map(({ path }) => path)).toEqual([dir, '/proc']);
});

test('the write-ahead log is measured', async () => {
  writeFileSync(join(dir, 'sos-ci.db-wal'), 'x'.repeat(12_345));
  const metrics = new ProcHostMetrics({
    paths: [],
    database: join(dir, 'sos-ci.db'),
    archiveProblem: () => null,
  });
  expect(await metrics.read()).toEqual({ disks: [], walBytes: 12_345, archiveProblem: null });
});
