/** Time that passes while no daemon runs, and clocks that jump. */
import { describe, expect, test } from 'vitest';
import { jobSpec } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { isAt, when } from './faults.ts';
import { created, FIRST } from './gerrit-events.ts';
import { endOf } from './story.ts';
import { violations } from './violations.ts';

const HOUR = 3_600_000;
const UNDISTURBED = {
  verdicts: ['SUCCESS'],
  posts: [`${FIRST},1 succeeded Verified+1`],
  stages: 2,
  servers: 1,
};

/** Ends the daemon when its job reaches `state`, and advances the clock by `ms`. */
async function runWithDowntime(
  state: string,
  ms: number,
  options: ConstructorParameters<typeof CiHarness>[0] = {},
) {
  const ci = new CiHarness(options);
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === state);
  ci.daemon.life.end();
  await ci.clock.advance(ms);
  await ci.run();
  return ci;
}

describe('while the daemon is dead', () => {
  test.each(['stacking.running', 'testing.running'])('a stage ends: %s', async (state) => {
    const ci = await runWithDowntime(state, 30 * 60_000);
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject(UNDISTURBED);
    const starts = ci.store.rows('j00002').filter(({ type }) => type === 'stage.started');
    expect(starts.map(({ data }) => data.adopted)).toEqual(
      state === 'stacking.running' ? [false, true, false] : [false, false, true],
    );
  });

  test('a stage ends in time, and its deadline passes later: its result counts', async () => {
    const ci = await runWithDowntime('testing.running', 5 * HOUR);
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject(UNDISTURBED);
    expect(ci.store.rows('j00002').filter(({ type }) => type === 'timer.fired')).toEqual([]);
  });

  test('the clock is set forward while a stage runs: the stage continues', async () => {
    const ci = new CiHarness();
    await ci.start();
    ci.emit(created());
    await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
    ci.daemon.life.end();
    ci.clock.jump(50 * HOUR);
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject(UNDISTURBED);
  });

  test.each(['booting.creating', 'stacking.fetching', 'publishing.uploading'])(
    'the result of %s is in flight: no attempt is lost',
    async (state) => {
      const ci = new CiHarness({ downtimeMs: 50 * HOUR });
      await ci.start();
      when(ci, isAt(state), () => ci.daemon.life.end());
      ci.emit(created());
      await ci.run();
      expect(violations(ci)).toEqual([]);
      expect(endOf(ci)).toMatchObject(UNDISTURBED);
      expect(ci.store.rows('j00002').filter(({ type }) => type === 'timer.fired')).toEqual([]);
    },
  );

  test('a stage exceeds its deadline: it is stopped, and the verdict is TIMED_OUT', async () => {
    const ci = await runWithDowntime('testing.running', 5 * HOUR, {
      stage: ({ run }) =>
        run.stage === 'testing' ? null : { afterMs: 1, outcome: { how: 'exited', code: 0 } },
    });
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject({ verdicts: ['TIMED_OUT'], stages: 2, servers: 1 });
  });

  test('jobs wait past their queue deadline: downtime does not count', async () => {
    const ci = new CiHarness({ slots: 0 });
    await ci.start();
    ci.emit(created(1));
    ci.emit(created(2));
    await ci.untilIdle();
    for (let life = 0; life < 3; life += 1) {
      await ci.clock.advance(7 * HOUR);
      ci.daemon.life.end();
      await ci.clock.advance(25 * HOUR);
      await ci.restart();
    }
    expect(ci.jobs().map(({ state }) => state)).toEqual(['queued.waiting', 'queued.waiting']);
    const before = ci.clock.monotonic();
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci).verdicts).toEqual(['NODE_FAILURE', 'NODE_FAILURE']);
    // 24 hours in all, of which 21 were served by the three daemons that died.
    const served = ci.clock.monotonic() - before;
    expect([served >= 3 * HOUR - 1, served < 4 * HOUR]).toEqual([true, true]);
  });

  test('overdue deadlines fire first when the daemon starts, in the order of their due times', async () => {
    const specs = [3, 1, 2].map((hours) =>
      jobSpec({ name: `wait-${hours}`, limits: { queueTimeoutMs: hours * HOUR } }),
    );
    const ci = new CiHarness({ slots: 0, specs });
    await ci.start();
    ci.emit(created());
    await ci.untilIdle();
    ci.store.noteServed({ aliveAt: ci.clock.now() + 4 * HOUR, gaps: [] });
    ci.daemon.life.end();
    await ci.clock.advance(4 * HOUR);
    await ci.restart();
    const fired = [...ci.store.log()].filter(({ type }) => type === 'timer.fired');
    const names = new Map(ci.jobs().map(({ id, name }) => [id, name]));
    expect(fired.flatMap(({ history }) => names.get(history) ?? [])).toEqual(['wait-1', 'wait-2', 'wait-3']);
    await ci.run();
    expect(violations(ci)).toEqual([]);
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
    const ci = new CiHarness({
      stage: ({ run }) => {
        const bad = state === 'booting.backoff' && run.owner.attempt === 1;
        return { afterMs: 60_000, outcome: { how: 'exited', code: bad ? 1 : 0 } };
      },
    });
    const trouble = { operation: 'x', target: 'y', message: 'away', retryable: true, hint: 'wait' };
    await ci.start();
    if (state === 'publishing.backoff') ci.evidence.failNext('publish');
    if (state === 'posting.backoff') ci.reviewer.failNext(trouble, 'post');
    when(ci, isAt(state), () => ci.clock.jump(ms));
    const before = ci.clock.monotonic();
    ci.emit(created());
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci).verdicts).toEqual(['SUCCESS']);
    expect(ci.runner.started).toBe(state === 'booting.backoff' ? 3 : 2);
    // Two or three stages of a minute, and a wait of at most half a minute.
    expect(ci.clock.monotonic() - before).toBeLessThan(5 * 60_000);
    expect(ci.clock.monotonic() - before).toBeGreaterThanOrEqual(2 * 60_000);
    const times = ci.store.rows('j00002').map(({ at }) => at);
    expect(times).toEqual([...times].sort((one, other) => one - other));
  });

  test('while the daemon is dead, and no wait becomes longer', async () => {
    const ci = new CiHarness({ stage: () => null });
    await ci.start();
    ci.emit(created());
    await ci.run(() => ci.jobs()[0]?.state === 'stacking.running');
    ci.daemon.life.end();
    ci.clock.jump(ms);
    await ci.restart();
    const before = ci.clock.monotonic();
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci).verdicts).toEqual(['RETRY_LIMIT']);
    expect(ci.clock.monotonic() - before).toBeLessThan(2 * (HOUR + 60_000) + 60_000);
  });
});
