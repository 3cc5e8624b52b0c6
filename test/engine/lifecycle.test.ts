/** The lifecycle of the daemon: draining, stopping, monitor-only, with a full queue. */
import { expect, test } from 'vitest';
import { Daemon } from '../scenarios/daemon.ts';
import { created, FIRST } from '../scenarios/gerrit-says.ts';
import { broken } from '../scenarios/judge.ts';
import { Lab } from '../scenarios/lab.ts';
import { endOf } from '../scenarios/story.ts';
import { bent, isAt, isRow, when } from '../scenarios/trouble.ts';

test('a drain finishes jobs with a slot, leaves waiting ones, and accepts nothing new', async () => {
  const lab = new Lab();
  await lab.start();
  lab.say(created(1));
  lab.say(created(2));
  await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
  let drained = false;
  void lab.daemon.service.drained.then(() => {
    drained = true;
  });
  await lab.daemon.service.drain();
  expect([lab.store.daemon()?.mode, drained]).toEqual(['draining', false]);
  lab.say(created(3));
  await lab.run(() => drained);
  expect(lab.jobs().map(({ state }) => state)).toEqual(['done', 'queued.waiting']);
  expect(endOf(lab)).toMatchObject({
    verdicts: ['SUCCESS'],
    servers: 1,
    posts: ['1,1 succeeded Verified+1'],
  });
  await lab.daemon.service.stop();
  await lab.restart();
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab).verdicts).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS']);
});

test('a slot that was granted as the drain began counts as running', async () => {
  const lab = new Lab();
  await lab.start();
  let drained = false;
  void lab.daemon.service.drained.then(() => {
    drained = true;
  });
  // The next append is the one that says that the slot was granted.
  when(lab, isRow('job.ready'), () =>
    lab.holdAt('before append', 5_000, () => {
      void lab.daemon.service.drain();
    }),
  );
  lab.say(created());
  await lab.untilIdle();
  expect([lab.jobs()[0]?.state, drained]).toEqual(['queued.waiting', false]);
  await lab.run(() => drained);
  expect(lab.jobs()[0]).toMatchObject({ state: 'done', verdict: 'SUCCESS' });
});

test('a drain before the start begins no waiting job, and finishes running ones', async () => {
  const lab = new Lab();
  await lab.start();
  lab.say(created(1));
  lab.say(created(2));
  await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
  lab.daemon.life.end();
  await lab.clock.advance(120_000);
  lab.daemon = new Daemon(lab);
  await lab.daemon.service.drain();
  await lab.start();
  await lab.run(() => lab.jobs()[0]?.state === 'done' && lab.store.review('r00001')?.ended === true);
  await lab.daemon.service.drained;
  expect(lab.jobs().map(({ state }) => state)).toEqual(['done', 'queued.waiting']);
  expect(lab.daemon.stream).toBeNull();
});

test('a stop leaves running stages running, and the next start adopts them', async () => {
  const lab = new Lab();
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
  await lab.daemon.service.stop();
  await lab.daemon.service.stop();
  expect([lab.runner.running().length, lab.runner.detached]).toEqual([1, 1]);
  expect(lab.store.daemon()).toMatchObject({ mode: 'stopped', stream: 'not connected' });
  await expect(lab.daemon.engine.submit([])).rejects.toThrow('the engine stops');
  await lab.restart();
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab)).toMatchObject({ verdicts: ['SUCCESS'], stages: 2, servers: 1 });
});

test.each([
  ['create', 'booting.creating'],
  ['list', 'cleanup.deleting'],
  ['delete', 'cleanup.deleting'],
  ['readResults', 'testing.readingResults'],
] as const)('a stop aborts a %s that hangs, and its effect stays pending', async (call, state) => {
  const lab = new Lab();
  when(lab, isAt(state), () => {
    if (call === 'readResults') lab.runner.holdNext('request', call);
    else lab.provider.holdNext('request', call);
  });
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.provider.calls.held + lab.runner.calls.held > 0);
  await lab.daemon.service.stop();
  expect(lab.provider.calls.held + lab.runner.calls.held).toBe(0);
  expect(lab.jobs()[0]?.state).toBe(state);
  await lab.restart();
  await lab.run();
  expect(broken(lab)).toEqual([]);
});

test('a stop waits for a call that ignores its signal', async () => {
  let letGo = (): void => {};
  const lab = new Lab({
    bend: bent('source', (inner) => ({
      fetch: async (request, signal) => {
        await new Promise<void>((resolve) => {
          letGo = resolve;
        });
        return inner.fetch(request, signal);
      },
    })),
  });
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.jobs()[0]?.state === 'stacking.fetching');
  let stopped = false;
  const stopping = lab.daemon.service.stop().then(() => {
    stopped = true;
  });
  await lab.untilIdle();
  expect(stopped).toBe(false);
  letGo();
  await stopping;
  expect(stopped).toBe(true);
});

test('effects of events that arrive during a stop are performed by the next daemon', async () => {
  const lab = new Lab();
  await lab.start();
  when(lab, isAt('stacking.fetching'), () =>
    lab.holdAt('before append', 5_000, () => {
      void lab.daemon.service.stop();
    }),
  );
  lab.say(created());
  await lab.clock.advance(10_000);
  expect(lab.jobs()[0]?.state).toBe('stacking.running');
  expect(lab.runner.calls.count('start')).toBe(0);
  await lab.restart();
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab)).toMatchObject({ verdicts: ['SUCCESS'], stages: 2, servers: 1 });
});

test('an event that a stop cut off is neither acknowledged nor an error, and is decided by the next daemon', async () => {
  const lab = new Lab();
  await lab.start();
  const stopped = lab.daemon.service.stop();
  lab.say(created());
  await stopped;
  await lab.untilIdle();
  expect(lab.crashes).toEqual([]);
  await lab.restart();
  await lab.run();
  expect(endOf(lab).verdicts).toEqual(['SUCCESS']);
});

test('a service starts once', async () => {
  const lab = new Lab();
  await lab.start();
  await expect(lab.daemon.service.start()).rejects.toThrow('a service starts once');
});

test('monitor-only: events are counted and decided, and nothing starts', async () => {
  const lab = new Lab({ starts: false });
  await lab.start();
  lab.say(created());
  lab.daemon.stream?.sayNonsense({ reason: 'not-json', sample: '{' });
  lab.daemon.stream?.sayNoise();
  await lab.run();
  expect([lab.jobs(), lab.provider.created, lab.undelivered]).toEqual([[], 0, 0]);
  expect(lab.store.intake()).toEqual({
    'patchset-created': 1,
    'rejected:not-json': 1,
    'dropped:meta-ref-updated': 1,
  });
});

test('starts beyond a full queue wait, and the operator gets an alarm', async () => {
  const lab = new Lab({ queueLength: 2 });
  await lab.start();
  for (const change of [1, 2, 3]) lab.say(created(change));
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab)).toMatchObject({ verdicts: Array(3).fill('SUCCESS'), alarms: ['queue-full'] });
  expect(lab.alarms.raised[0]).toMatchObject({ target: 'all', hint: expect.stringContaining('maxOpenJobs') });
});

test('the state of the stream is shown; a permanent failure is an alarm', async () => {
  const lab = new Lab();
  await lab.start();
  expect(lab.store.daemon()?.stream).toBe('connected');
  const state = { why: 'no right to stream', hint: 'ask for it', permanent: false };
  lab.daemon.stream?.disconnect(state);
  expect([lab.store.daemon()?.stream, lab.alarms.kinds]).toEqual(['not connected: no right to stream', []]);
  lab.daemon.stream?.disconnect({ ...state, permanent: true });
  await lab.untilIdle();
  expect(lab.alarms.raised).toMatchObject([{ kind: 'stream-access-denied', hint: 'ask for it' }]);
  lab.daemon.stream?.reconnect();
  expect(lab.store.daemon()?.stream).toBe('connected');
});

test('a repeated event starts once', async () => {
  const lab = new Lab();
  await lab.start();
  lab.say(created());
  lab.say(created());
  await lab.run();
  lab.say(created());
  await lab.run();
  expect(endOf(lab)).toMatchObject({ verdicts: ['SUCCESS'], posts: [`${FIRST},1 succeeded Verified+1`] });
});
