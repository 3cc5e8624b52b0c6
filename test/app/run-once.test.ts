import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeLock } from '../../src/adapters/sqlite/lock.ts';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { databaseFile, lockFile } from '../../src/app/database-admin.ts';
import { runOnce } from '../../src/app/run-once.ts';
import { loadConfig } from '../../src/config/load.ts';
import { submissionFor } from '../../src/engine/loop/dispatch.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { newest } from '../../src/machines/versions.ts';
import { FakeLog } from '../fakes/log.ts';
import { HOLD, holdRequested, jobSpec } from '../machines/facts.ts';
import { CiHarness } from '../scenarios/ci-harness.ts';
import { created } from '../scenarios/gerrit-events.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-once-'));
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
});
afterEach(() => rmSync(directory, { recursive: true }));

const run = () =>
  runOnce(loadConfig(join(directory, 'sos-ci.yaml')), {
    job: 'acme-dsvm',
    change: 912345,
    patchset: 3,
    log: new FakeLog(),
    onOutput: () => {},
  });

test('while a daemon runs, a manual run is refused before Gerrit is queried, and enqueue is suggested', async () => {
  const lock = takeLock(lockFile(directory), 0);
  await expect(run()).rejects.toMatchObject({
    message: expect.stringMatching(/^another daemon is running on this database: pid \d+, started /),
    hint: 'let the daemon run it: sos-ci enqueue 912345,3 acme-dsvm',
  });
  lock.release();
});

test('after an interrupted run, a manual run is refused and says which job holds the slot and what to do', async () => {
  const ci = new CiHarness({ store: openStore(databaseFile(directory)), stage: () => null });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'stacking.running');
  const [job] = ci.jobs();
  ci.daemon.life.end();
  ci.store.close();
  await expect(run()).rejects.toMatchObject({
    operation: 'start job',
    message: `${job?.id} (acme-dsvm ${job?.change},1) was interrupted and still holds the only slot of the provider local`,
    hint: 'finish the interrupted work first: sos-ci daemon --drain',
  });
});

test('while an interrupted job uses the only unit of a back end, a manual run is refused', async () => {
  const file = join(directory, 'sos-ci.yaml');
  const more = 'providers: {local: {type: local, slots: 2}}\nbackends: {array1: 1}\n';
  writeFileSync(file, `${readFileSync(file, 'utf8')}    backends: [array1]\n${more}`);
  const specs = [jobSpec({ backends: ['array1'] })];
  const ci = new CiHarness({ store: openStore(databaseFile(directory)), specs, stage: () => null });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'stacking.running');
  ci.daemon.life.end();
  ci.store.close();
  await expect(run()).rejects.toMatchObject({
    operation: 'start job',
    message: 'interrupted jobs reach the limit of the backend array1',
    hint: 'finish the interrupted work first: sos-ci daemon --drain',
  });
});

test('while a held server takes the only slot, a manual run is refused', async () => {
  const ci = new CiHarness({ store: openStore(databaseFile(directory)) });
  await ci.start();
  // The run uses the real clock, which is far ahead of the fake one.
  const requested = { ...holdRequested(), durationMs: 1e13 } as AnyEvent;
  await ci.daemon.engine.submit([{ ...submissionFor(HOLD, requested), startsOn: newest.hold }]);
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  await ci.daemon.engine.send(ci.jobs()[0]?.id ?? '', {
    type: 'job.hold-requested',
    hold: HOLD,
    always: true,
  });
  await ci.run(() => ci.jobs()[0]?.ended === true && ci.store.reviews({ open: true, limit: 1 }).length === 0);
  ci.daemon.life.end();
  ci.store.close();
  await expect(run()).rejects.toMatchObject({
    message: 'the provider local has no free slot; held servers take 1',
    hint: 'list them: sos-ci holds. A running daemon releases them: sos-ci release',
  });
});

test('while an interrupted review is about to post on the change, a manual run is refused', async () => {
  const ci = new CiHarness({ store: openStore(databaseFile(directory)) });
  await ci.start();
  ci.reviewer.holdNext('request');
  ci.emit(created());
  await ci.run(() => ci.reviewer.calls.held === 1 && ci.jobs()[0]?.state === 'done');
  ci.daemon.life.end();
  ci.store.close();
  await expect(run()).rejects.toMatchObject({
    operation: 'start job',
    message: expect.stringMatching(/^review \w+ was interrupted before it posted on the change$/),
    hint: 'finish the interrupted work first: sos-ci daemon --drain',
  });
});
