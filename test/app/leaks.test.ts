/** Leaks without a daemon: they are listed with the configured providers, and removed only under the daemon's lock. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeLock } from '../../src/adapters/sqlite/lock.ts';
import { openReader } from '../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { databaseFile, lockFile } from '../../src/app/database-admin.ts';
import { collectGarbage, listLeaks } from '../../src/app/leaks.ts';
import { loadConfig } from '../../src/config/load.ts';
import { FakeLog } from '../fakes/log.ts';
import { CiHarness } from '../scenarios/ci-harness.ts';
import { created } from '../scenarios/gerrit-events.ts';

const JOB = 'j00002';
const ALICE = { who: 'alice', why: '' };

let directory: string;

/** A database whose only job has ended, and evidence of it on this host. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-leaks-'));
  writeFileSync(join(directory, 'key'), 'not used\n', { mode: 0o600 });
  writeFileSync(
    join(directory, 'sos-ci.yaml'),
    `gerrit: {host: 127.0.0.1, port: 9, user: acme-ci, key: key, knownHosts: key}
stateDir: .
jobs:
  acme-dsvm:
    project: openstack/cinder
    testing: {command: [./run-tests.sh], results: results.tap}
`,
  );
  const ci = new CiHarness({ store: openStore(databaseFile(directory)) });
  await ci.start();
  ci.emit(created());
  await ci.run();
  ci.daemon.life.end();
  ci.store.close();
  mkdirSync(join(directory, 'runs', JOB, '1'), { recursive: true });
});

afterEach(() => rmSync(directory, { recursive: true }));

const config = () => loadConfig(join(directory, 'sos-ci.yaml'));
const length = () => {
  const reader = openReader(databaseFile(directory));
  try {
    return reader.length();
  } finally {
    reader.close();
  }
};

test('are listed, also while another process holds the lock, and nothing is written', async () => {
  const before = length();
  const lock = takeLock(lockFile(directory), 0);
  const { leaks, unlisted } = await listLeaks(config());
  lock.release();
  expect(leaks).toMatchObject([{ provider: null, kind: 'evidence', id: JOB, job: JOB, state: 'first-seen' }]);
  expect(leaks[0]?.jobEndedAt).not.toBeNull();
  expect(unlisted).toEqual([]);
  expect(length()).toBe(before);
});

test('are not removed while another process holds the lock', async () => {
  const lock = takeLock(lockFile(directory), 0);
  const before = length();
  await expect(collectGarbage(config(), ALICE, new FakeLog())).rejects.toMatchObject({
    name: 'OperationError',
  });
  lock.release();
  expect(length()).toBe(before);
  expect((await listLeaks(config())).leaks).toHaveLength(1);
});
