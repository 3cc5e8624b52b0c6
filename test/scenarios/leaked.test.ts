/** A clean-up that was given up: what the job has left in the world and on this host is found by the sweep. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Sweep } from '../../src/engine/operations/sweep.ts';
import { makeRig } from '../adapters/logs/rig.ts';
import { collectRequest } from '../contracts/evidence.ts';
import { NEVER } from '../fixtures/never.ts';
import { DEPLOYMENT } from './daemon.ts';
import { created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
import { bent, bentProvider, outage } from './trouble.ts';

/** A lab whose one job has ended without its server. */
async function givenUp(): Promise<{ readonly lab: Lab; readonly fix: () => void }> {
  let locked = true;
  const lab = new Lab({
    bend: bentProvider((inner) => ({
      delete: (server, deployment) =>
        locked ? Promise.reject(outage('delete server')) : inner.delete(server, deployment, NEVER),
    })),
  });
  await lab.start();
  lab.say(created());
  await lab.run();
  const fix = () => {
    locked = false;
  };
  return { lab, fix };
}

test('neither its server nor its files are left after the sweep', async () => {
  const { lab, fix } = await givenUp();
  expect(lab.jobs()).toMatchObject([{ state: 'done', verdict: 'SUCCESS' }]);
  expect(lab.alarms.kinds).toEqual(['server-leaked']);
  expect(lab.provider.servers()).toHaveLength(1);
  expect(await lab.evidence.held()).toEqual(['j00002']);
  fix();
  await lab.clock.advance(4 * 600_000);
  await lab.untilIdle();
  expect(broken(lab)).toEqual([]);
  expect(await lab.evidence.held()).toEqual([]);
  lab.store.close();
});

test('evidence that cannot be removed is not a leaked server, and the sweep removes it', async () => {
  let broken = true;
  const lab = new Lab({
    bend: bent('evidence', (inner) => ({
      discard: (job) => (broken ? Promise.reject(outage('discard evidence')) : inner.discard(job, 'all')),
    })),
  });
  await lab.start();
  lab.say(created());
  await lab.run();
  expect(lab.jobs()).toMatchObject([{ state: 'done', verdict: 'SUCCESS' }]);
  expect(lab.provider.servers()).toEqual([]);
  expect(lab.alarms.raised).toMatchObject([{ kind: 'evidence-leaked', target: 'job j00002' }]);
  broken = false;
  await lab.clock.advance(4 * 600_000);
  await lab.untilIdle();
  expect(await lab.evidence.held()).toEqual([]);
  expect(lab.alarms.raised.at(-1)).toMatchObject({ kind: 'evidence-leaked', cleared: true });
  lab.store.close();
});

test('on a real disk its runs and its evidence are removed, and those of other jobs are not', async () => {
  const { lab } = await givenUp();
  const rig = await makeRig();
  const { signal } = new AbortController();
  const evidence = rig.start();
  const stranger = 'j-of-another-database';
  for (const job of ['j00002', stranger]) {
    await rig.writeStageLog(job, 1, 'testing', 'output');
    await evidence.collect(collectRequest({ owner: { deployment: DEPLOYMENT, job, attempt: 1 } }), signal);
  }
  const sweep = new Sweep({
    providers: new Map([[lab.provider.name, lab.provider]]),
    merger: lab.merger,
    evidence,
    store: lab.store,
    alarms: lab.alarms,
    log: lab.log,
    deployment: DEPLOYMENT,
    clock: lab.clock,
    callTimeoutMs: 60_000,
  });
  try {
    expect([await sweep.run(), await sweep.run()]).toEqual([0, 1]);
    for (let round = 0; round < 2; round += 1) await sweep.run();
    for (const folder of ['runs', 'evidence'])
      expect(await readdir(join(rig.stateDir, folder))).toEqual([stranger]);
  } finally {
    lab.store.close();
    await rig.close();
  }
});
