/** The sweep removes only what is provably ours and no longer needed, and only when two rounds agree. */

import { beforeEach, describe, expect, test } from 'vitest';
import { Sweep } from '../../../src/engine/operations/sweep.ts';
import type { Provider } from '../../../src/engine/ports/adapters.ts';
import { publicationOf } from '../../../src/machines/job/publication.ts';
import { NEVER } from '../../fixtures/never.ts';
import { failure } from '../../machines/facts.ts';
import { DEPLOYMENT } from '../../scenarios/daemon.ts';
import { created } from '../../scenarios/gerrit-says.ts';
import { Lab } from '../../scenarios/lab.ts';

let lab: Lab;
let sweep: Sweep;
let providers: Map<string, Provider>;

beforeEach(async () => {
  lab = new Lab();
  providers = new Map([['local', lab.provider]]);
  sweep = new Sweep({
    providers,
    merger: lab.merger,
    evidence: lab.evidence,
    store: lab.store,
    alarms: lab.alarms,
    log: lab.log,
    deployment: DEPLOYMENT,
    clock: lab.clock,
    callTimeoutMs: 60_000,
  });
  await lab.start();
  lab.say(created());
});

const leak = (job: string, deployment = DEPLOYMENT) =>
  lab.provider.add({ name: `leaked-${job}`, owner: { deployment, job, attempt: 1 } });
const left = () => lab.provider.servers().map(({ server }) => server.name);

test('a server of an ended job is removed when a second round finds it too', async () => {
  await lab.run();
  leak('j00002');
  expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(['leaked-j00002']);
  expect(await sweep.run()).toBe(1);
  expect(left()).toEqual([]);
});

test('a job that has not ended keeps its servers', async () => {
  await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
  const before = left();
  for (let round = 0; round < 3; round += 1) expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(before);
  expect(before).toHaveLength(1);
});

test('a server of an unknown job is reported, and left alone', async () => {
  await lab.run();
  leak('j-of-another-database');
  for (let round = 0; round < 3; round += 1) expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(['leaked-j-of-another-database']);
  expect(new Set(lab.alarms.kinds)).toEqual(new Set(['server-leaked']));
});

test('another deployment’s servers are ignored', async () => {
  await lab.run();
  leak('j00002', 'another-lab');
  for (let round = 0; round < 3; round += 1) expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(['leaked-j00002']);
  expect(lab.alarms.kinds).toEqual([]);
});

test('an outage is logged and delays, and two rounds must agree again', async () => {
  await lab.run();
  leak('j00002');
  await sweep.run();
  lab.provider.failNext(failure('list servers'), 'list');
  expect(await sweep.run()).toBe(0);
  expect(lab.log.lines).toContain('warn sweep: it broke');
  await sweep.run();
  expect(await sweep.run()).toBe(1);
});

test('two concurrent rounds are one', async () => {
  await lab.run();
  leak('j00002');
  const before = lab.provider.calls.count('list');
  await Promise.all([sweep.run(), sweep.run()]);
  expect(lab.provider.calls.count('list')).toBe(before + 1);
});

test('merged commits are removed when their review is over, or unknown', async () => {
  await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
  expect([...lab.merger.kept]).toEqual(['r00001']);
  lab.merger.kept.add('r-of-another-database');
  await sweep.run();
  expect([...lab.merger.kept]).toEqual(['r00001']);
  await lab.run();
  await sweep.run();
  expect([...lab.merger.kept]).toEqual([]);
});

test('an unreadable git cache affects only this part of the round', async () => {
  await lab.run();
  lab.merger.failNext(failure('drop merged commits'), 'drop');
  lab.merger.kept.add('r-left');
  leak('j00002');
  await sweep.run();
  expect(await sweep.run()).toBe(1);
  expect([...lab.merger.kept]).toEqual([]);
});

describe('files on this host', () => {
  const held = () => lab.evidence.held();

  test('of an ended job are removed when a second round finds them too', async () => {
    await lab.run();
    lab.evidence.addFile('j00002', 'testing.log', 'output');
    await sweep.run();
    expect(await held()).toEqual(['j00002']);
    await sweep.run();
    expect(await held()).toEqual([]);
    expect(lab.evidence.published.has('j00002')).toBe(true);
  });

  test('of a job that publishes now or later stay', async () => {
    const release = lab.evidence.holdNext('publish');
    lab.evidence.failNext('publish');
    await lab.run(() => lab.jobs()[0]?.state === 'publishing.uploading');
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
    lab.evidence.holdNext('publish');
    release();
    await lab.run(() => lab.jobs()[0]?.ended === true);
    expect(lab.store.stored(publicationOf('j00002'))?.ended).toBe(false);
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
  });

  test('of an unknown job are left alone', async () => {
    await lab.run();
    lab.evidence.addFile('j-of-another-database', 'testing.log', 'output');
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j-of-another-database']);
  });

  test('stay while the job has a server: that is removed first, with their help', async () => {
    await lab.run();
    lab.evidence.addFile('j00002', 'testing.log', 'output');
    leak('j00002');
    await sweep.run();
    lab.provider.failNext(failure('delete server'), 'delete');
    await sweep.run();
    expect(await held()).toEqual(['j00002']);
    expect(await sweep.run()).toBe(1);
    await sweep.run();
    expect(await held()).toEqual(['j00002']);
    await sweep.run();
    expect(await held()).toEqual([]);
  });

  test('stay while its provider does not answer', async () => {
    await lab.run();
    lab.evidence.addFile('j00002', 'testing.log', 'output');
    for (let round = 0; round < 3; round += 1) {
      lab.provider.failNext(failure('list servers'), 'list');
      await sweep.run();
    }
    expect(await held()).toEqual(['j00002']);
  });

  test('stay while its provider is not configured, because there may be a server', async () => {
    await lab.run();
    lab.evidence.addFile('j00002', 'testing.log', 'output');
    providers.clear();
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
  });

  test('stay while the ended job may still get an answer, and no longer', async () => {
    // The job is parked in the middle of its publishing.
    lab.evidence.holdNext('publish');
    await lab.run(() => lab.jobs()[0]?.state === 'publishing.uploading');
    const crashed = { type: 'daemon.crashed', during: 'publishEvidence:1', message: 'a bug' } as const;
    for (let times = 0; times < 2; times += 1) await lab.daemon.engine.send('j00002', crashed);
    expect(lab.jobs()[0]).toMatchObject({ state: 'parked', ended: true });
    for (const { server } of lab.provider.servers()) await lab.provider.delete(server, DEPLOYMENT, NEVER);
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
    // The next daemon settles it without doing it.
    await lab.restart();
    expect(lab.store.outbox('j00002')).toEqual([]);
    for (let round = 0; round < 2; round += 1) await sweep.run();
    expect(await held()).toEqual([]);
  });

  test('that cannot be removed are logged, and do not block other jobs’', async () => {
    lab.say(created(7));
    await lab.run();
    for (const { id } of lab.jobs()) lab.evidence.addFile(id, 'testing.log', 'output');
    await sweep.run();
    lab.evidence.failNext('discard');
    await sweep.run();
    expect(lab.log.lines).toContain('warn sweep: the log site did not discard');
    expect(await held()).toEqual(['j00002']);
    await sweep.run();
    expect(await held()).toEqual([]);
  });
});
