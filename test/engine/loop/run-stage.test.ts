/** A stage whose server does not respond: the engine asks the provider whether the server still exists. */
import { beforeEach, expect, test } from 'vitest';
import { perform } from '../../../src/engine/loop/perform.ts';
import type { Adapters, EffectOf } from '../../../src/engine/ports/adapters.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeEvidence } from '../../fakes/evidence.ts';
import { FakeProvider } from '../../fakes/provider.ts';
import { FakeRunner } from '../../fakes/runner.ts';
import { ENGINE_BOUNDS } from '../../fixtures/bounds.ts';
import { failure, PATCHSET } from '../../machines/facts.ts';

const owner = { deployment: 'lab-1', job: 'job-1', attempt: 1 };
const OUTAGE = failure('look up server');
const MINUTE = 60_000;
const LOST = { type: 'stage.lost', stage: 'testing', why: 'the server was deleted', serverGone: true };

let clock: FakeClock;
let provider: FakeProvider;
let runner: FakeRunner;
let effect: EffectOf<'runStage'>;
let stopping: AbortController;
let abort: AbortController;
beforeEach(() => {
  clock = new FakeClock();
  provider = new FakeProvider({ name: 'local' });
  runner = new FakeRunner();
  stopping = new AbortController();
  abort = new AbortController();
  const { server } = provider.add({ name: 'sos-ci-job-1-1', owner });
  effect = {
    type: 'runStage',
    key: 'runStage:testing:1',
    run: { server, owner, stage: 'testing' },
    spec: { argv: ['true'], timeoutMs: 1_000, outputLimitBytes: 1_000 },
    patchset: PATCHSET,
    name: 'unit',
  };
});

function running() {
  const providers = new Map([['local', provider]]);
  const adapters = { providers, runner, evidence: new FakeEvidence(), hide: (text: string) => text };
  return perform(effect, {
    adapters: adapters as unknown as Adapters,
    clock,
    bounds: ENGINE_BOUNDS,
    stopping: stopping.signal,
    abort,
    recovered: false,
    serverUnneeded: false,
    ended: false,
    track: () => {},
    recordTests: () => {},
    emit: () => {},
  });
}
const begun = () => runner.begun(owner, 'testing');
const goAway = () => runner.setContact(owner, 'testing', 'away');
const deleteServer = () => provider.delete(effect.run.server, 'lab-1', new AbortController().signal);

test('a stage on a deleted server is lost', async () => {
  const settled = running();
  await begun();
  await deleteServer();
  goAway();
  await clock.advance(MINUTE);
  expect(await settled).toEqual(LOST);
  expect(runner.detached).toBe(1);
});

test('if the server exists, the stage continues and the interval between queries grows', async () => {
  const settled = running();
  await begun();
  goAway();
  await clock.advance(5_000);
  expect(provider.calls.count('whyGone')).toBe(1);
  await clock.advance(10 * MINUTE);
  expect(provider.calls.count('whyGone')).toBe(12);
  runner.end(owner, 'testing', { how: 'exited', code: 0 });
  expect(await settled).toMatchObject({ type: 'stage.exited' });
  expect(clock.pending).toBe(0);
});

test('if the query fails, the stage continues and the query is repeated', async () => {
  const settled = running();
  await begun();
  for (let count = 0; count < 4; count += 1) provider.failNext(OUTAGE, 'whyGone');
  await deleteServer();
  goAway();
  await clock.advance(80_000);
  expect(provider.calls.count('whyGone')).toBe(4);
  await clock.advance(MINUTE);
  expect(await settled).toEqual(LOST);
});

test('if the provider does not respond, the query is repeated', async () => {
  const settled = running();
  await begun();
  provider.holdNext('request', 'whyGone');
  await deleteServer();
  goAway();
  await clock.advance(5_000 + MINUTE + 10_000);
  expect(await settled).toEqual(LOST);
});

test('if the server responds again, the queries stop', async () => {
  const settled = running();
  await begun();
  goAway();
  runner.setContact(owner, 'testing', 'back');
  await clock.advance(10 * MINUTE);
  expect(provider.calls.count('whyGone')).toBe(0);
  runner.end(owner, 'testing', { how: 'exited', code: 0 });
  expect(await settled).toMatchObject({ type: 'stage.exited' });
});

test('if the server responds before the provider, the stage continues', async () => {
  const settled = running();
  await begun();
  provider.holdNext('answer', 'whyGone');
  await deleteServer();
  goAway();
  await clock.advance(5_000);
  runner.setContact(owner, 'testing', 'back');
  provider.release();
  await clock.advance(MINUTE);
  runner.end(owner, 'testing', { how: 'exited', code: 0 });
  expect(await settled).toMatchObject({ type: 'stage.exited' });
});

test('a run that is lost on a deleted server gives the deletion as its reason', async () => {
  const gone = running();
  await begun();
  await deleteServer();
  runner.end(owner, 'testing', { how: 'lost', why: 'web could not be reached' });
  expect(await gone).toEqual(LOST);
});

test('a run that is lost while the provider is asked gives the deletion as its reason', async () => {
  const settled = running();
  await begun();
  await deleteServer();
  for (let asked = 0; asked < 2; asked += 1) provider.holdNext('answer', 'whyGone');
  goAway();
  await clock.advance(5_000);
  runner.end(owner, 'testing', { how: 'lost', why: 'web could not be reached' });
  await clock.advance(0);
  expect(provider.calls.count('whyGone')).toBe(2);
  for (let asked = 0; asked < 2; asked += 1) {
    provider.release();
    await clock.advance(0);
  }
  expect(await settled).toEqual(LOST);
});

test('a run that is lost on a server that exists keeps its reason', async () => {
  const settled = running();
  await begun();
  runner.end(owner, 'testing', { how: 'lost', why: 'the server rebooted' });
  expect(await settled).toEqual({ type: 'stage.lost', stage: 'testing', why: 'the server rebooted' });
});

test('a daemon that stops meanwhile leaves the stage to the next one', async () => {
  const settled = running();
  await begun();
  goAway();
  for (const one of [stopping, abort]) one.abort(new Error('the daemon stops'));
  await expect(settled).rejects.toThrow('the daemon stops');
  expect(clock.pending).toBe(0);
});
