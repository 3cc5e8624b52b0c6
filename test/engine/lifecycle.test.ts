/** The lifecycle of the daemon: draining, stopping, monitor-only, with a full queue. */
import { expect, test } from 'vitest';
import { CiHarness } from '../scenarios/ci-harness.ts';
import { Daemon } from '../scenarios/daemon.ts';
import { isAt, isRow, when, wrapPort } from '../scenarios/faults.ts';
import { created, FIRST } from '../scenarios/gerrit-events.ts';
import { endOf } from '../scenarios/story.ts';
import { violations } from '../scenarios/violations.ts';

test('a drain finishes jobs with a slot, leaves waiting ones, and accepts nothing new', async () => {
  const ci = new CiHarness();
  await ci.start();
  ci.emit(created(1));
  ci.emit(created(2));
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  let drained = false;
  void ci.daemon.service.drained.then(() => {
    drained = true;
  });
  await ci.daemon.service.drain();
  expect([ci.store.daemon()?.mode, drained]).toEqual(['draining', false]);
  ci.emit(created(3));
  await ci.run(() => drained);
  expect(ci.jobs().map(({ state }) => state)).toEqual(['done', 'queued.waiting']);
  expect(endOf(ci)).toMatchObject({
    verdicts: ['SUCCESS'],
    servers: 1,
    posts: ['1,1 succeeded Verified+1'],
  });
  await ci.daemon.service.stop();
  await ci.restart();
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci).verdicts).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS']);
});

test('a slot that was granted as the drain began counts as running', async () => {
  const ci = new CiHarness();
  await ci.start();
  let drained = false;
  void ci.daemon.service.drained.then(() => {
    drained = true;
  });
  // The next append records that the slot was granted.
  when(ci, isRow('job.ready'), () =>
    ci.holdAt('before append', 5_000, () => {
      void ci.daemon.service.drain();
    }),
  );
  ci.emit(created());
  await ci.untilIdle();
  expect([ci.jobs()[0]?.state, drained]).toEqual(['queued.waiting', false]);
  await ci.run(() => drained);
  expect(ci.jobs()[0]).toMatchObject({ state: 'done', verdict: 'SUCCESS' });
});

test('a drain before the start begins no waiting job, and finishes running ones', async () => {
  const ci = new CiHarness();
  await ci.start();
  ci.emit(created(1));
  ci.emit(created(2));
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  ci.daemon.life.end();
  await ci.clock.advance(120_000);
  ci.daemon = new Daemon(ci);
  await ci.daemon.service.drain();
  await ci.start();
  await ci.run(() => ci.jobs()[0]?.state === 'done' && ci.store.review('r00001')?.ended === true);
  await ci.daemon.service.drained;
  expect(ci.jobs().map(({ state }) => state)).toEqual(['done', 'queued.waiting']);
  expect(ci.daemon.stream).toBeNull();
});

test('a stop leaves running stages running, and the next start adopts them', async () => {
  const ci = new CiHarness();
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  await ci.daemon.service.stop();
  await ci.daemon.service.stop();
  expect([ci.runner.running().length, ci.runner.detached]).toEqual([1, 1]);
  expect(ci.store.daemon()).toMatchObject({ mode: 'stopped', stream: 'not connected' });
  await expect(ci.daemon.engine.submit([])).rejects.toThrow('the engine stops');
  await ci.restart();
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['SUCCESS'], stages: 2, servers: 1 });
});

test.each([
  ['create', 'booting.creating'],
  ['list', 'cleanup.deleting'],
  ['delete', 'cleanup.deleting'],
  ['readResults', 'testing.readingResults'],
] as const)('a stop aborts a %s that hangs, and its effect stays pending', async (call, state) => {
  const ci = new CiHarness();
  when(ci, isAt(state), () => {
    if (call === 'readResults') ci.runner.holdNext('request', call);
    else ci.provider.holdNext('request', call);
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.provider.calls.held + ci.runner.calls.held > 0);
  await ci.daemon.service.stop();
  expect(ci.provider.calls.held + ci.runner.calls.held).toBe(0);
  expect(ci.jobs()[0]?.state).toBe(state);
  await ci.restart();
  await ci.run();
  expect(violations(ci)).toEqual([]);
});

test('a stop waits for a call that ignores its signal', async () => {
  let release = (): void => {};
  const ci = new CiHarness({
    wrapAdapters: wrapPort('source', (inner) => ({
      fetch: async (request, signal) => {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return inner.fetch(request, signal);
      },
    })),
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'stacking.fetching');
  let stopped = false;
  const stopping = ci.daemon.service.stop().then(() => {
    stopped = true;
  });
  await ci.untilIdle();
  expect(stopped).toBe(false);
  release();
  await stopping;
  expect(stopped).toBe(true);
});

test('effects of events that arrive during a stop are performed by the next daemon', async () => {
  const ci = new CiHarness();
  await ci.start();
  when(ci, isAt('stacking.fetching'), () =>
    ci.holdAt('before append', 5_000, () => {
      void ci.daemon.service.stop();
    }),
  );
  ci.emit(created());
  await ci.clock.advance(10_000);
  expect(ci.jobs()[0]?.state).toBe('stacking.running');
  expect(ci.runner.calls.count('start')).toBe(0);
  await ci.restart();
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['SUCCESS'], stages: 2, servers: 1 });
});

test('an event that a stop interrupts is not acknowledged, is not an error, and is decided by the next daemon', async () => {
  const ci = new CiHarness();
  await ci.start();
  const stopped = ci.daemon.service.stop();
  ci.emit(created());
  await stopped;
  await ci.untilIdle();
  expect(ci.crashes).toEqual([]);
  await ci.restart();
  await ci.run();
  expect(endOf(ci).verdicts).toEqual(['SUCCESS']);
});

test('rejects a second start', async () => {
  const ci = new CiHarness();
  await ci.start();
  await expect(ci.daemon.service.start()).rejects.toThrow('the daemon was already started');
});

test('monitor-only: events are counted and decided, and nothing starts', async () => {
  const ci = new CiHarness({ starts: false });
  await ci.start();
  ci.emit(created());
  ci.daemon.stream?.sendInvalidLine({ reason: 'not-json', sample: '{' });
  ci.daemon.stream?.sendIrrelevantLine();
  await ci.run();
  expect([ci.jobs(), ci.provider.created, ci.undelivered]).toEqual([[], 0, 0]);
  expect(ci.store.intake()).toEqual({
    'patchset-created': 1,
    'rejected:not-json': 1,
    'dropped:meta-ref-updated': 1,
  });
});

test('starts beyond a full queue wait, and the operator gets an alarm', async () => {
  const ci = new CiHarness({ queueLength: 2 });
  await ci.start();
  for (const change of [1, 2, 3]) ci.emit(created(change));
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: Array(3).fill('SUCCESS'), alarms: ['queue-full'] });
  expect(ci.alarms.raised[0]).toMatchObject({ target: 'all', hint: expect.stringContaining('maxOpenJobs') });
});

test('the state of the stream is shown; a permanent failure is an alarm', async () => {
  const ci = new CiHarness();
  await ci.start();
  expect(ci.store.daemon()?.stream).toBe('connected');
  const state = { why: 'no right to stream', hint: 'ask for it', permanent: false };
  ci.daemon.stream?.disconnect(state);
  expect([ci.store.daemon()?.stream, ci.alarms.kinds]).toEqual(['not connected: no right to stream', []]);
  ci.daemon.stream?.disconnect({ ...state, permanent: true });
  await ci.untilIdle();
  expect(ci.alarms.raised).toMatchObject([{ kind: 'stream-access-denied', hint: 'ask for it' }]);
  ci.daemon.stream?.reconnect();
  expect(ci.store.daemon()?.stream).toBe('connected');
});

test('a repeated event starts once', async () => {
  const ci = new CiHarness();
  await ci.start();
  ci.emit(created());
  ci.emit(created());
  await ci.run();
  ci.emit(created());
  await ci.run();
  expect(endOf(ci)).toMatchObject({ verdicts: ['SUCCESS'], posts: [`${FIRST},1 succeeded Verified+1`] });
});
