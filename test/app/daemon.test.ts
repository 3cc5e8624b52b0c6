/** A daemon that cannot continue from its log reports it and exits: it keeps neither the lock nor the process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeLock } from '../../src/adapters/sqlite/lock.ts';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { runDaemon } from '../../src/app/daemon.ts';
import { databaseFile, lockFile, sha256 } from '../../src/app/database-admin.ts';
import { loadConfig } from '../../src/config/load.ts';
import { FakeLog } from '../fakes/log.ts';
import { CiHarness } from '../scenarios/ci-harness.ts';
import { created } from '../scenarios/gerrit-events.ts';

let directory: string;

/** A database in which one job still runs. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-daemon-'));
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
  const ci = new CiHarness({ store: openStore(databaseFile(directory)), stage: () => null });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.store.open().some(({ state }) => state === 'stacking.running'));
  ci.daemon.life.end();
  ci.store.close();
});

afterEach(() => rmSync(directory, { recursive: true }));

async function refused(alter: (database: Sqlite.Database) => void): Promise<unknown> {
  const database = new Sqlite(databaseFile(directory));
  database.exec('DROP TRIGGER event_rows_never_change');
  alter(database);
  database.close();
  const config = loadConfig(join(directory, 'sos-ci.yaml'));
  const listeners = process.listenerCount('uncaughtException');
  const thrown = await runDaemon(config, { log: new FakeLog() }).then(
    () => new Error('it started'),
    (error: unknown) => error,
  );
  expect(process.listenerCount('uncaughtException')).toBe(listeners);
  takeLock(lockFile(directory), 0).release();
  return thrown;
}

test('refuses a state that does not match the log', async () => {
  const thrown = await refused((database) => {
    database.exec(`UPDATE history_view SET stored = replace(stored, 'stacking', 'testing')`);
  });
  expect(thrown).toMatchObject({ message: expect.stringContaining('does not match its log') });
});

test('refuses a job that began on a machine of a newer program', async () => {
  const thrown = await refused((database) => {
    const row = database.prepare('SELECT stored FROM history_view WHERE history = ?').get('j00002');
    const { stored } = row as { readonly stored: string };
    const newer = stored.replace('"job@1"', '"job@9"');
    database.prepare('UPDATE history_view SET stored = ? WHERE history = ?').run(newer, 'j00002');
    database
      .prepare('UPDATE event SET state_hash = ? WHERE state_hash = ?')
      .run(sha256(newer), sha256(stored));
  });
  expect(thrown).toMatchObject({ operation: 'open database', target: 'j00002' });
  expect(thrown).toMatchObject({ message: expect.stringContaining('does not have job@9') });
});
