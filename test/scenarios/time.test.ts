/** Time that goes by while nobody looks, and clocks that jump. */
import { describe, expect, test } from 'vitest';
import { jobSpec } from '../machines/facts.ts';
import { created, FIRST } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
import { endOf } from './story.ts';
import { isAt, when } from './trouble.ts';

const HOUR = 3_600_000;
const WHOLE = { verdicts: ['SUCCESS'], posts: [`${FIRST},1 succeeded Verified+1`], stages: 2, servers: 1 };

/** Lets a job come to `state`, ends the daemon there, and lets `ms` go by. */
async function deadAt(state: string, ms: number, options: ConstructorParameters<typeof Lab>[0] = {}) {
  const lab = new Lab(options);
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.jobs()[0]?.state === state);
  lab.daemon.life.end();
  await lab.clock.advance(ms);
  await lab.run();
  return lab;
}

describe('while the daemon is dead', () => {
  test.each(['stacking.running', 'testing.running'])('a stage ends: %s', async (state) => {
    const lab = await deadAt(state, 30 * 60_000);
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject(WHOLE);
    const ended = lab.store.rows('j00002').filter(({ type }) => type === 'stage.started');
    expect(ended.map(({ data }) => data.adopted)).toEqual(
      state === 'stacking.running' ? [false, true, false] : [false, false, true],
    );
  });

  test('a stage ends in time, and its deadline passes too: its own result counts', async () => {
    const lab = await deadAt('testing.running', 5 * HOUR);
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject(WHOLE);
    expect(lab.store.rows('j00002').filter(({ type }) => type === 'timer.fired')).toEqual([]);
  });

  test('the clock is set forward while a stage runs: the stage continues', async () => {
    const lab = new Lab();
    await lab.start();
    lab.say(created());
    await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
    lab.daemon.life.end();
    lab.clock.jump(50 * HOUR);
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject(WHOLE);
  });

  test.each(['booting.creating', 'stacking.fetching', 'publishing.uploading'])(
    'the answer to %s was in flight: no attempt is lost',
    async (state) => {
      const lab = new Lab({ deadMs: 50 * HOUR });
      await lab.start();
      when(lab, isAt(state), () => lab.daemon.life.end());
      lab.say(created());
      await lab.run();
      expect(broken(lab)).toEqual([]);
      expect(endOf(lab)).toMatchObject(WHOLE);
      expect(lab.store.rows('j00002').filter(({ type }) => type === 'timer.fired')).toEqual([]);
    },
  );

  test('a stage outlives its deadline: the runner or the daemon stops it, and it is timed out', async () => {
    const lab = await deadAt('testing.running', 5 * HOUR, {
      stage: ({ run }) =>
        run.stage === 'testing' ? null : { afterMs: 1, outcome: { how: 'exited', code: 0 } },
    });
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject({ verdicts: ['TIMED_OUT'], stages: 2, servers: 1 });
  });

  test('jobs wait past their queue deadline: they keep the rest of it', async () => {
    const lab = new Lab({ slots: 0 });
    await lab.start();
    lab.say(created(1));
    lab.say(created(2));
    await lab.untilIdle();
    for (let life = 0; life < 3; life += 1) {
      await lab.clock.advance(7 * HOUR);
      lab.daemon.life.end();
      await lab.clock.advance(25 * HOUR);
      await lab.restart();
    }
    expect(lab.jobs().map(({ state }) => state)).toEqual(['queued.waiting', 'queued.waiting']);
    const before = lab.clock.monotonic();
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab).verdicts).toEqual(['NODE_FAILURE', 'NODE_FAILURE']);
    // 24 hours in all, of which 21 were served by the three daemons that died.
    const served = lab.clock.monotonic() - before;
    expect([served >= 3 * HOUR - 1, served < 4 * HOUR]).toEqual([true, true]);
  });

  test('deadlines that are over when the daemon starts fire first, in the order in which they came due', async () => {
    const specs = [3, 1, 2].map((hours) =>
      jobSpec({ name: `wait-${hours}`, limits: { queueTimeoutMs: hours * HOUR } }),
    );
    const lab = new Lab({ slots: 0, specs });
    await lab.start();
    lab.say(created());
    await lab.untilIdle();
    lab.store.noteServed({ aliveAt: lab.clock.now() + 4 * HOUR, gaps: [] });
    lab.daemon.life.end();
    await lab.clock.advance(4 * HOUR);
    await lab.restart();
    const fired = [...lab.store.log()].filter(({ type }) => type === 'timer.fired');
    const names = new Map(lab.jobs().map(({ id, name }) => [id, name]));
    expect(fired.flatMap(({ history }) => names.get(history) ?? [])).toEqual(['wait-1', 'wait-2', 'wait-3']);
    await lab.run();
    expect(broken(lab)).toEqual([]);
  });
});

const WAITS = [
  'queued',
  'booting.backoff',
  'stacking.fetching',
  'stacking.running',
  'testing.running',
  'publishing.uploading',
  'publishing.backoff',
  'cleanup.deleting',
  'posting.backoff',
];

describe.each([
  ['forwards', 10 * HOUR],
  ['backwards', -10 * HOUR],
])('the wall clock jumps %s', (_, ms) => {
  test.each(WAITS)('in %s', async (state) => {
    const lab = new Lab({
      stage: ({ run }) => {
        const bad = state === 'booting.backoff' && run.owner.attempt === 1;
        return { afterMs: 60_000, outcome: { how: 'exited', code: bad ? 1 : 0 } };
      },
    });
    const trouble = { operation: 'x', target: 'y', message: 'away', retryable: true, hint: 'wait' };
    await lab.start();
    if (state === 'publishing.backoff') lab.evidence.failNext('publish');
    if (state === 'posting.backoff') lab.reviewer.failNext(trouble, 'post');
    when(lab, isAt(state), () => lab.clock.jump(ms));
    const before = lab.clock.monotonic();
    lab.say(created());
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab).verdicts).toEqual(['SUCCESS']);
    expect(lab.runner.started).toBe(state === 'booting.backoff' ? 3 : 2);
    // Neither hurried nor held up: two or three stages of a minute, and a wait of at most half a minute.
    expect(lab.clock.monotonic() - before).toBeLessThan(5 * 60_000);
    expect(lab.clock.monotonic() - before).toBeGreaterThanOrEqual(2 * 60_000);
    const times = lab.store.rows('j00002').map(({ at }) => at);
    expect(times).toEqual([...times].sort((one, other) => one - other));
  });

  test('while the daemon is dead, and no wait becomes longer than it was set for', async () => {
    const lab = new Lab({ stage: () => null });
    await lab.start();
    lab.say(created());
    await lab.run(() => lab.jobs()[0]?.state === 'stacking.running');
    lab.daemon.life.end();
    lab.clock.jump(ms);
    await lab.restart();
    const before = lab.clock.monotonic();
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab).verdicts).toEqual(['RETRY_LIMIT']);
    expect(lab.clock.monotonic() - before).toBeLessThan(2 * (HOUR + 60_000) + 60_000);
  });
});
