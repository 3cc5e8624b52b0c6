/** An abandoned cleanup: the sweep removes the job's server and its files on this host. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Sweep } from '../../src/engine/operations/sweep.ts';
import type { Evidence } from '../../src/engine/ports/adapters.ts';
import { makeRig } from '../adapters/logs/rig.ts';
import { collectRequest } from '../contracts/evidence.ts';
import { NEVER } from '../fixtures/never.ts';
import { CiHarness } from './ci-harness.ts';
import { DEPLOYMENT } from './daemon.ts';
import { outage, wrapPort, wrapProvider } from './faults.ts';
import { created } from './gerrit-events.ts';
import { violations } from './violations.ts';

/**
 * A harness whose only job has ended without deleting its server.
 * @param disk replaces the fake that discards evidence
 */
async function leakedServer(disk: Pick<Evidence, 'discard'> | null = null) {
  let failing = true;
  const lockedServer = wrapProvider((inner) => ({
    delete: (server, deployment) =>
      failing ? Promise.reject(outage('delete server')) : inner.delete(server, deployment, NEVER),
  }));
  const onDisk = wrapPort('evidence', () => (disk === null ? {} : { discard: disk.discard.bind(disk) }));
  const ci = new CiHarness({
    wrapAdapters: (adapters, harness) => onDisk(lockedServer(adapters, harness), harness),
  });
  await ci.start();
  ci.emit(created());
  await ci.run();
  const fix = () => {
    failing = false;
  };
  return { ci, fix };
}

test('the sweep leaves neither the server nor the files of the job behind', async () => {
  const { ci, fix } = await leakedServer();
  expect(ci.jobs()).toMatchObject([{ state: 'done', verdict: 'SUCCESS' }]);
  expect(ci.alarms.kinds).toEqual(['server-leaked']);
  expect(ci.provider.servers()).toHaveLength(1);
  expect(await ci.evidence.held()).toEqual(['j00002']);
  fix();
  await ci.clock.advance(4 * 600_000);
  await ci.untilIdle();
  expect(violations(ci)).toEqual([]);
  expect(await ci.evidence.held()).toEqual([]);
  const alarm = { kind: 'server-leaked', target: 'job j00002' };
  expect(ci.alarms.raised).toMatchObject([alarm, { ...alarm, cleared: true }]);
  ci.store.close();
});

test('evidence that cannot be removed at first raises evidence-leaked, not server-leaked, and a later sweep removes it', async () => {
  let failing = true;
  const ci = new CiHarness({
    wrapAdapters: wrapPort('evidence', (inner) => ({
      discard: (job) => (failing ? Promise.reject(outage('discard evidence')) : inner.discard(job, 'all')),
    })),
  });
  await ci.start();
  ci.emit(created());
  await ci.run();
  expect(ci.jobs()).toMatchObject([{ state: 'done', verdict: 'SUCCESS' }]);
  expect(ci.provider.servers()).toEqual([]);
  expect(ci.alarms.raised).toMatchObject([{ kind: 'evidence-leaked', target: 'job j00002' }]);
  failing = false;
  await ci.clock.advance(4 * 600_000);
  await ci.untilIdle();
  expect(await ci.evidence.held()).toEqual([]);
  expect(ci.alarms.raised.at(-1)).toMatchObject({ kind: 'evidence-leaked', cleared: true });
  ci.store.close();
});

test('on a real disk the sweep removes runs and evidence of the leaked job, and keeps those of other jobs', async () => {
  const rig = await makeRig();
  const { signal } = new AbortController();
  const evidence = rig.start();
  const { ci, fix } = await leakedServer(evidence);
  fix();
  const otherJob = 'j-of-another-database';
  for (const job of ['j00002', otherJob]) {
    await rig.writeStageLog(job, 1, 'testing', 'output');
    await evidence.collect(collectRequest({ owner: { deployment: DEPLOYMENT, job, attempt: 1 } }), signal);
  }
  const sweep = new Sweep({
    engine: ci.daemon.engine,
    providers: new Map([[ci.provider.name, ci.provider]]),
    merger: ci.merger,
    evidence,
    store: ci.store,
    alarms: ci.alarms,
    log: ci.log,
    hide: (text: string) => text,
    deployment: DEPLOYMENT,
    clock: ci.clock,
    callTimeoutMs: 60_000,
  });
  ci.onDurable = (batch) => sweep.appended(batch);
  try {
    expect([await sweep.run(), await sweep.run()]).toEqual([0, 1]);
    for (let round = 0; round < 2; round += 1) await sweep.run();
    for (const directory of ['runs', 'evidence'])
      expect(await readdir(join(rig.stateDir, directory))).toEqual([otherJob]);
  } finally {
    ci.store.close();
    await rig.close();
  }
});
