/** Operators list leaks and have them removed; each removal is in the history of its job. */

import { beforeEach, expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { GC_INTERVAL_MS } from '../../../src/engine/operations/sweep.ts';
import { verifyLog } from '../../../src/engine/operations/verify-log.ts';
import type { LeakReport } from '../../../src/engine/ports/operator-api.ts';
import { failure } from '../../machines/facts.ts';
import { sha256 } from '../../machines/simulator.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { DEPLOYMENT } from '../../scenarios/daemon.ts';
import { created } from '../../scenarios/gerrit-events.ts';

const JOB = 'j00002';
const ALICE = { who: 'alice', why: 'the quota is full' };

let ci: CiHarness;

beforeEach(async () => {
  ci = new CiHarness();
  await ci.start();
  ci.emit(created());
  await ci.run();
  await ci.daemon.sweep.run();
});

const leak = (name: string, job = JOB) =>
  ci.provider.add(
    { name, owner: { deployment: DEPLOYMENT, job, attempt: 1 } },
    {
      unfinished: true,
      resources: [
        { kind: 'port', id: `port-of-${name}`, createdAt: 5 },
        { kind: 'key-pair', id: `key-of-${name}`, createdAt: null },
      ],
    },
  );
const left = () => ci.provider.servers().map(({ server }) => server.name);
const rows = (type: string, job = JOB) => ci.store.rows(job).filter((row) => row.type === type);

/** Lets the second search of a gc happen. */
async function collect(): Promise<LeakReport> {
  const collecting = ci.daemon.sweep.collectGarbage(ALICE);
  await ci.untilIdle();
  await ci.clock.advance(GC_INTERVAL_MS);
  return collecting;
}

test('leaks are listed for each resource, and listing them changes nothing', async () => {
  leak('a');
  leak('b', 'j-of-another-database');
  const { sweep } = ci.daemon;
  const before = ci.store.length();
  for (let times = 0; times < 3; times += 1) {
    expect((await sweep.leaks()).leaks).toMatchObject([
      {
        provider: 'local',
        kind: 'port',
        id: 'port-of-a',
        name: 'a',
        job: JOB,
        createdAt: 5,
        state: 'first-seen',
      },
      { kind: 'key-pair', id: 'key-of-a', createdAt: null, state: 'first-seen' },
      { kind: 'port', id: 'port-of-b', jobEndedAt: null, state: 'unknown-job' },
      { kind: 'key-pair', id: 'key-of-b', state: 'unknown-job' },
    ]);
  }
  expect(left()).toEqual(['a', 'b']);
  expect(ci.store.length()).toBe(before);
});

test('a sweep that has seen a leak makes it agreed, with the time when it was first seen', async () => {
  leak('a');
  const seenAt = ci.clock.now();
  await ci.daemon.sweep.run();
  await ci.clock.advance(1_000);
  expect((await ci.daemon.sweep.leaks()).leaks).toMatchObject([
    { state: 'agreed', firstSeenAt: seenAt },
    { state: 'agreed', firstSeenAt: seenAt },
  ]);
});

test('gc searches twice before it removes what no sweep has seen', async () => {
  leak('a');
  const collecting = ci.daemon.sweep.collectGarbage(ALICE);
  await ci.untilIdle();
  expect(left()).toEqual(['a']);
  await ci.clock.advance(GC_INTERVAL_MS);
  expect((await collecting).leaks).toMatchObject([
    { id: 'port-of-a', state: 'removed' },
    { id: 'key-of-a', state: 'removed' },
  ]);
  expect(left()).toEqual([]);
});

test('gc keeps what only its second search finds', async () => {
  leak('a');
  const collecting = ci.daemon.sweep.collectGarbage(ALICE);
  await ci.untilIdle();
  leak('late');
  await ci.clock.advance(GC_INTERVAL_MS);
  const { leaks } = await collecting;
  expect(leaks.map(({ name, state }) => `${name} ${state}`)).toEqual([
    'a removed',
    'a removed',
    'late first-seen',
    'late first-seen',
  ]);
  expect(left()).toEqual(['late']);
});

test('gc removes at once what a sweep has seen', async () => {
  leak('a');
  await ci.daemon.sweep.run();
  expect((await ci.daemon.sweep.collectGarbage(ALICE)).leaks).toMatchObject([
    { state: 'removed' },
    { state: 'removed' },
  ]);
});

test('each removal is in the history of the job, with who, why and what; the log verifies', async () => {
  leak('a');
  await collect();
  leak('b');
  await ci.daemon.sweep.run();
  await ci.daemon.sweep.run();
  const resources = (name: string) => [
    { kind: 'port', id: `port-of-${name}` },
    { kind: 'key-pair', id: `key-of-${name}` },
  ];
  const server = { name: 'a', provider: 'local' };
  expect(rows('leak.found').map(({ data }) => data)).toMatchObject([
    { by: 'alice', why: 'the quota is full', leak: { server, resources: resources('a') } },
    { by: null, why: 'two sweeps found it', leak: { resources: resources('b') } },
  ]);
  expect(rows('leak.removed').map(({ data }) => data)).toMatchObject([
    { by: 'alice', leak: { server, resources: resources('a') } },
    { by: null, leak: { resources: resources('b') } },
  ]);
  expect(ci.jobs()[0]).toMatchObject({ state: 'done', verdict: 'SUCCESS' });
  const report = verifyLog(ci.store, openStore(':memory:'), sha256);
  expect([report.differences, report.views]).toEqual([[], []]);
});

test('gc removes nothing of a job that lives, of an unknown job, and of another deployment', async () => {
  ci.emit(created(7));
  const running = () => ci.jobs().find(({ state }) => state === 'testing.running');
  await ci.run(() => running() !== undefined);
  const living = running()?.id ?? '';
  leak('of-unknown', 'j-of-another-database');
  ci.provider.add({ name: 'theirs', owner: { deployment: 'another-lab', job: JOB, attempt: 1 } });
  const before = left();
  const { leaks } = await collect();
  expect(leaks.map(({ state }) => state)).toEqual(['unknown-job', 'unknown-job']);
  expect(left()).toEqual(before);
  expect(rows('leak.found', living)).toEqual([]);
});

test('gc reports what it could not remove, and a provider that it could not list', async () => {
  leak('a');
  await ci.daemon.sweep.run();
  ci.provider.failNext(failure('delete server'), 'delete');
  const [failed] = (await ci.daemon.sweep.collectGarbage(ALICE)).leaks;
  expect(failed).toMatchObject({ state: 'remove-failed', why: 'it broke' });
  expect(rows('leak.remove-failed')).toMatchObject([{ data: { failure: { message: 'it broke' } } }]);
  ci.provider.failNext(failure('list servers'), 'list');
  expect(await ci.daemon.sweep.leaks()).toEqual({
    leaks: [],
    omitted: 0,
    unlisted: [{ part: 'local', why: 'it broke', hint: 'fix it' }],
  });
});

test.each([
  ['before anything was deleted', 'request'],
  ['after the deletion, before its row', 'answer'],
] as const)('a daemon killed %s: the next one records the removal', async (_, hold) => {
  leak('a');
  await ci.daemon.sweep.run();
  ci.provider.holdNext(hold, 'delete');
  ci.daemon.sweep.run().catch(() => {});
  await ci.untilIdle();
  expect(rows('leak.found')).toHaveLength(1);
  expect(left()).toEqual(hold === 'request' ? ['a'] : []);
  await ci.restart();
  await ci.untilIdle();
  expect(left()).toEqual([]);
  expect(rows('leak.found')).toHaveLength(1);
  expect(rows('leak.removed')).toMatchObject([{ outcome: 'moved', data: { by: null } }]);
  expect(ci.store.outbox(JOB)).toEqual([]);
});
