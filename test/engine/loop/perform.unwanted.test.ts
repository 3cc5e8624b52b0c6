/**
 * A job that publishes, reports or cleans up after a restart: the engine checks whether its pending effects happened,
 * and starts none of them.
 */
import { expect, test } from 'vitest';
import { perform } from '../../../src/engine/loop/perform.ts';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import { FakeAlarms } from '../../fakes/alarms.ts';
import { nothingMissed } from '../../fakes/catch-up.ts';
import { FakeChanges } from '../../fakes/changes.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeEvidence } from '../../fakes/evidence.ts';
import { FakeJanitors } from '../../fakes/janitors.ts';
import { FakeMerger } from '../../fakes/merger.ts';
import { FakeProvider } from '../../fakes/provider.ts';
import { FakeReviewer } from '../../fakes/reviewer.ts';
import { FakeRunner } from '../../fakes/runner.ts';
import { FakeSource } from '../../fakes/source.ts';
import { ENGINE_BOUNDS } from '../../fixtures/bounds.ts';
import { failure, PATCHSET, server } from '../../machines/facts.ts';

const owner = { deployment: 'lab-1', job: 'job-1', attempt: 1 };
const create: EffectOf<'createServer'> = {
  type: 'createServer',
  key: 'createServer:1',
  provider: 'local',
  name: 'sos-ci-job-1-1',
  owner,
  timeoutMs: 60_000,
};
const fetch: EffectOf<'fetchPatchset'> = {
  type: 'fetchPatchset',
  key: 'fetchPatchset:1',
  server: server(),
  patchset: PATCHSET,
  trees: [],
  timeoutMs: 60_000,
};
const run: EffectOf<'runStage'> = {
  type: 'runStage',
  key: 'runStage:testing:1',
  run: { server: server(), owner, stage: 'testing' },
  spec: { argv: ['true'], timeoutMs: 1_000, outputLimitBytes: 1_000 },
  patchset: PATCHSET,
  name: 'unit',
};

function afterRestart() {
  const provider = new FakeProvider();
  const runner = new FakeRunner();
  const source = new FakeSource();
  const performance = {
    adapters: {
      providers: new Map([['local', provider]]),
      catchUp: nothingMissed,
      changes: new FakeChanges(),
      merger: new FakeMerger(),
      source,
      runner,
      janitors: new FakeJanitors(),
      evidence: new FakeEvidence(),
      reviewer: new FakeReviewer(),
      alarms: new FakeAlarms(),
      mailer: null,
      activeJobs: () => [],
      hide: (text: string) => text,
    },
    clock: new FakeClock(),
    bounds: ENGINE_BOUNDS,
    stopping: new AbortController().signal,
    abort: new AbortController(),
    recovered: true,
    serverUnneeded: true,
    ended: false,
    track: () => {},
    recordTests: () => {},
    emit: () => {},
  };
  return { provider, runner, source, performance };
}

test('a server that was not created is not created', async () => {
  const { provider, performance } = afterRestart();
  expect(await perform(create, performance)).toMatchObject({
    type: 'server.create-failed',
    failure: { message: 'not begun: the job does not need it any more' },
  });
  expect(provider.servers()).toEqual([]);
});

test('a server that was created is found, so that it can be deleted', async () => {
  const { provider, performance } = afterRestart();
  const made = provider.add({ name: create.name, owner });
  expect(await perform(create, performance)).toEqual({
    type: 'server.active',
    server: made.server,
    adopted: true,
    facts: expect.objectContaining({ type: 'fake' }),
  });
});

test('a server that does not describe itself is used, however long that takes', async () => {
  const { provider, performance } = afterRestart();
  const { server: made } = provider.add({ name: create.name, owner });
  const found = { type: 'server.active', server: made, adopted: true };
  provider.failNext(failure('describe node'), 'describe');
  expect(await perform(create, performance)).toEqual(found);
  provider.holdNext('answer', 'describe');
  const performed = perform(create, performance);
  await provider.calls.reached('describe', 2);
  await performance.clock.advance(5_000);
  expect(await performed).toEqual(found);
});

test('an unfinished server is deleted instead of used', async () => {
  const { provider, performance } = afterRestart();
  const unfinished = provider.add({ name: create.name, owner }, { unfinished: true });
  const settled = await perform(create, { ...performance, serverUnneeded: false });
  expect(settled).toMatchObject({ type: 'server.active', adopted: false });
  expect(provider.servers().map(({ server }) => server.id)).not.toContain(unfinished.server.id);
  expect(provider.servers()).toHaveLength(1);
});

test('a patchset is not fetched', async () => {
  const { source, performance } = afterRestart();
  expect(await perform(fetch, performance)).toMatchObject({ type: 'patchset.fetch-failed' });
  expect(source.tree(server())).toBeUndefined();
});

test('a stage that had not started does not start', async () => {
  const { runner, performance } = afterRestart();
  expect(await perform(run, performance)).toEqual({
    type: 'stage.exited',
    stage: 'testing',
    end: { how: 'stopped' },
  });
  expect(runner.started).toBe(0);
});
