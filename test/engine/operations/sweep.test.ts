/** The sweep removes only resources that are provably ours and no longer needed, and only when two rounds agree. */

import { beforeEach, describe, expect, test } from 'vitest';
import { Sweep } from '../../../src/engine/operations/sweep.ts';
import type { Provider } from '../../../src/engine/ports/adapters.ts';
import { publicationOf } from '../../../src/machines/job/publication.ts';
import { NEVER } from '../../fixtures/never.ts';
import { failure } from '../../machines/facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { DEPLOYMENT } from '../../scenarios/daemon.ts';
import { created } from '../../scenarios/gerrit-events.ts';

let ci: CiHarness;
let sweep: Sweep;
let providers: Map<string, Provider>;

beforeEach(async () => {
  ci = new CiHarness();
  providers = new Map([['local', ci.provider]]);
  sweep = new Sweep({
    engine: { submit: (submissions) => ci.daemon.engine.submit(submissions) },
    providers,
    merger: ci.merger,
    evidence: ci.evidence,
    store: ci.store,
    alarms: ci.alarms,
    log: ci.log,
    hide: (text: string) => text,
    deployment: DEPLOYMENT,
    clock: ci.clock,
    callTimeoutMs: 60_000,
  });
  ci.onDurable = (batch) => sweep.appended(batch);
  await ci.start();
  ci.emit(created());
});

const leak = (job: string, deployment = DEPLOYMENT) =>
  ci.provider.add({ name: `leaked-${job}`, owner: { deployment, job, attempt: 1 } });
const left = () => ci.provider.servers().map(({ server }) => server.name);

test('a server of an ended job is removed when a second round finds it too', async () => {
  await ci.run();
  leak('j00002');
  expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(['leaked-j00002']);
  expect(await sweep.run()).toBe(1);
  expect(left()).toEqual([]);
});

test('a job that has not ended keeps its servers', async () => {
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  const before = left();
  for (let round = 0; round < 3; round += 1) expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(before);
  expect(before).toHaveLength(1);
});

test('a server of an unknown job is reported, and not removed', async () => {
  await ci.run();
  leak('j-of-another-database');
  for (let round = 0; round < 3; round += 1) expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(['leaked-j-of-another-database']);
  expect(new Set(ci.alarms.kinds)).toEqual(new Set(['server-leaked']));
});

test('another deployment’s servers are ignored', async () => {
  await ci.run();
  leak('j00002', 'another-lab');
  for (let round = 0; round < 3; round += 1) expect(await sweep.run()).toBe(0);
  expect(left()).toEqual(['leaked-j00002']);
  expect(ci.alarms.kinds).toEqual([]);
});

test('an outage is logged, and two rounds must agree again', async () => {
  await ci.run();
  leak('j00002');
  await sweep.run();
  ci.provider.failNext(failure('list servers'), 'list');
  expect(await sweep.run()).toBe(0);
  expect(ci.log.lines).toContain('warn sweep: it broke');
  await sweep.run();
  expect(await sweep.run()).toBe(1);
});

test('concurrent calls share one round', async () => {
  await ci.run();
  leak('j00002');
  const before = ci.provider.calls.count('list');
  await Promise.all([sweep.run(), sweep.run()]);
  expect(ci.provider.calls.count('list')).toBe(before + 1);
});

test('merged commits are removed when their review is over, or unknown', async () => {
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  expect([...ci.merger.kept]).toEqual(['r00001']);
  ci.merger.kept.add('r-of-another-database');
  await sweep.run();
  expect([...ci.merger.kept]).toEqual(['r00001']);
  await ci.run();
  await sweep.run();
  expect([...ci.merger.kept]).toEqual([]);
});

test('an unreadable git cache affects only this part of the round', async () => {
  await ci.run();
  ci.merger.failNext(failure('drop merged commits'), 'drop');
  ci.merger.kept.add('r-left');
  leak('j00002');
  await sweep.run();
  expect(await sweep.run()).toBe(1);
  expect([...ci.merger.kept]).toEqual([]);
});

describe('files on this host', () => {
  const held = () => ci.evidence.held();

  test('of an ended job are removed when a second round finds them too', async () => {
    await ci.run();
    ci.evidence.addFile('j00002', 'testing.log', 'output');
    await sweep.run();
    expect(await held()).toEqual(['j00002']);
    await sweep.run();
    expect(await held()).toEqual([]);
    expect(ci.evidence.published.has('j00002')).toBe(true);
  });

  test('of a job that publishes now or later stay', async () => {
    const release = ci.evidence.holdNext('publish');
    ci.evidence.failNext('publish');
    await ci.run(() => ci.jobs()[0]?.state === 'publishing.uploading');
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
    ci.evidence.holdNext('publish');
    release();
    await ci.run(() => ci.jobs()[0]?.ended === true);
    expect(ci.store.stored(publicationOf('j00002'))?.ended).toBe(false);
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
  });

  test('of an unknown job are not removed', async () => {
    await ci.run();
    ci.evidence.addFile('j-of-another-database', 'testing.log', 'output');
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j-of-another-database']);
  });

  test('stay while the job has a server, because removing the server needs them', async () => {
    await ci.run();
    ci.evidence.addFile('j00002', 'testing.log', 'output');
    leak('j00002');
    await sweep.run();
    ci.provider.failNext(failure('delete server'), 'delete');
    await sweep.run();
    expect(await held()).toEqual(['j00002']);
    expect(await sweep.run()).toBe(1);
    await sweep.run();
    expect(await held()).toEqual(['j00002']);
    await sweep.run();
    expect(await held()).toEqual([]);
  });

  test('stay while its provider does not respond', async () => {
    await ci.run();
    ci.evidence.addFile('j00002', 'testing.log', 'output');
    for (let round = 0; round < 3; round += 1) {
      ci.provider.failNext(failure('list servers'), 'list');
      await sweep.run();
    }
    expect(await held()).toEqual(['j00002']);
  });

  test('stay while its provider is not configured, because there may be a server', async () => {
    await ci.run();
    ci.evidence.addFile('j00002', 'testing.log', 'output');
    providers.clear();
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
  });

  test('stay only while an effect of the ended job is in flight', async () => {
    // The job is parked while it publishes.
    ci.evidence.holdNext('publish');
    await ci.run(() => ci.jobs()[0]?.state === 'publishing.uploading');
    const crashed = { type: 'daemon.crashed', during: 'publishEvidence:1', message: 'a bug' } as const;
    for (let times = 0; times < 2; times += 1) await ci.daemon.engine.send('j00002', crashed);
    expect(ci.jobs()[0]).toMatchObject({ state: 'parked', ended: true });
    for (const { server } of ci.provider.servers()) await ci.provider.delete(server, DEPLOYMENT, NEVER);
    for (let round = 0; round < 3; round += 1) await sweep.run();
    expect(await held()).toEqual(['j00002']);
    // The next daemon settles the effect without performing it.
    await ci.restart();
    expect(ci.store.outbox('j00002')).toEqual([]);
    for (let round = 0; round < 2; round += 1) await sweep.run();
    expect(await held()).toEqual([]);
  });

  test('that cannot be removed are logged, and do not block those of other jobs', async () => {
    ci.emit(created(7));
    await ci.run();
    for (const { id } of ci.jobs()) ci.evidence.addFile(id, 'testing.log', 'output');
    await sweep.run();
    ci.evidence.failNext('discard');
    await sweep.run();
    expect(ci.log.lines).toContain('warn sweep: the log server did not discard');
    expect(await held()).toEqual(['j00002']);
    await sweep.run();
    expect(await held()).toEqual([]);
  });
});
