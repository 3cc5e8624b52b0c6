/** Janitors: their back ends are theirs alone while they clean, through crashes, and what starts them. */
import { expect, test } from 'vitest';
import type { JanitorDefinition } from '../../src/engine/operations/janitors.ts';
import { OperationError } from '../../src/errors.ts';
import { lastCleanings } from '../../src/machines/janitor/cleanings.ts';
import type { JanitorSpec } from '../../src/machines/model/janitor.ts';
import { janitorSpec, jobSpec } from '../machines/facts.ts';
import { CiHarness, SUCCESSFUL_STAGE } from './ci-harness.ts';
import { Daemon } from './daemon.ts';
import { isAt, outage, when, wrapPort } from './faults.ts';
import { created, FIRST } from './gerrit-events.ts';
import { storyTests } from './story-tests.ts';
import { violations } from './violations.ts';

const MINUTE_MS = 60_000;
const OPERATOR = { who: 'alice', why: 'the pool is full' };
const SUCCEEDED = `${FIRST},1 succeeded Verified+1`;
const JOBS = [jobSpec({ stacking: null, backends: ['array1'] })];
const FAILS = { afterMs: MINUTE_MS, outcome: { how: 'exited', code: 3 } } as const;

function definition(
  changes: Partial<JanitorDefinition> = {},
  spec: Partial<JanitorSpec> = {},
): JanitorDefinition {
  return {
    spec: janitorSpec(spec),
    view: { name: 'array1', backends: ['array1'], idleMs: null, schedule: null, above: null },
    nextTime: () => null,
    threshold: null,
    ...changes,
  };
}

const IDLE = { ...definition().view, idleMs: 10 * MINUTE_MS };
const HOURLY = definition({
  view: { ...definition().view, schedule: '0 * * * *' },
  nextTime: (after) => (Math.floor(after / (60 * MINUTE_MS)) + 1) * 60 * MINUTE_MS,
});
const clean = (ci: CiHarness) => ci.daemon.janitors.clean('array1', OPERATOR);
const last = (ci: CiHarness) => lastCleanings(ci.store).get('array1') ?? null;

/** Requests a cleaning, again with each new daemon until it is in the log. */
function requestOnce(ci: CiHarness): void {
  const others = ci.onDurable;
  let asked = 0;
  const ask = () => {
    if (asked === ci.lives || last(ci) !== null) return;
    asked = ci.lives;
    void clean(ci).catch(() => {});
  };
  ci.onDurable = (batch) => {
    others(batch);
    ask();
  };
  ask();
}

storyTests([
  {
    name: 'a janitor that is requested while a job runs waits for the job, and the next job for the janitor',
    options: { slots: 2, backends: { array1: 2 }, specs: JOBS, definitions: [definition()] },
    begin: (ci) => {
      ci.emit(created());
      when(ci, isAt('testing.running'), () => requestOnce(ci));
      when(ci, isAt('running'), () => ci.emit(created(2)));
    },
    end: {
      verdicts: ['SUCCESS', 'SUCCESS'],
      posts: [SUCCEEDED, '2,1 succeeded Verified+1'],
      stages: 2,
      servers: 2,
    },
  },
]);

test('the second attempt of a janitor that fails lets a waiting job go first', async () => {
  let runs = 0;
  const ci = new CiHarness({
    ...{ backends: { array1: 1 }, specs: JOBS, definitions: [definition()] },
    cleans: () => {
      runs += 1;
      return runs === 1 ? FAILS : SUCCESSFUL_STAGE;
    },
  });
  await ci.start();
  await clean(ci);
  when(ci, isAt('running'), () => ci.emit(created()));
  await ci.run();
  expect(violations(ci)).toEqual([]);
  const order = [...ci.store.log()]
    .map(({ type }) => type)
    .filter((type) => /^(backends|slot)\.granted$/.test(type));
  expect(order).toEqual(['backends.granted', 'slot.granted', 'backends.granted']);
  expect(last(ci)).toMatchObject({ outcome: 'succeeded', attempt: 2 });
});

test('a janitor that keeps failing raises an alarm, which its next success clears', async () => {
  let isBroken = true;
  const ci = new CiHarness({
    ...{ backends: { array1: 1 }, definitions: [definition()] },
    cleans: () => (isBroken ? FAILS : SUCCESSFUL_STAGE),
  });
  await ci.start();
  await clean(ci);
  await ci.run();
  expect(ci.alarms.raised.at(-1)).toMatchObject({
    kind: 'janitor-failed',
    target: 'array1',
    message: 'the janitor did not clean in 2 attempts: it exited with 3: the last line',
  });
  isBroken = false;
  await clean(ci);
  await ci.run();
  expect(ci.alarms.raised.at(-1)).toMatchObject({ kind: 'janitor-failed', target: 'array1', cleared: true });
});

test('a request is refused while the janitor has not finished the one before, and for an unknown janitor', async () => {
  const ci = new CiHarness({ backends: { array1: 1 }, definitions: [definition()], cleans: () => null });
  await ci.start();
  const [first, second] = await Promise.allSettled([clean(ci), clean(ci)]);
  expect([first?.status, second?.status]).toEqual(['fulfilled', 'rejected']);
  await expect(clean(ci)).rejects.toThrow('janitor array1 already');
  await expect(ci.daemon.janitors.clean('array2', OPERATOR)).rejects.toThrow('there is no janitor array2');
});

test('a daemon that drains from its start knows the cleaning that waits', async () => {
  const ci = new CiHarness({ backends: { array1: 1 }, specs: JOBS, definitions: [definition()] });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  const { cleaning } = await clean(ci);
  ci.daemon.life.end();
  ci.daemon = new Daemon(ci);
  await ci.daemon.service.drain();
  await ci.start();
  await expect(clean(ci)).rejects.toThrow(`janitor array1 already waits for its back ends: ${cleaning}`);
});

test('a late row of the cleaning before does not let a second one begin', async () => {
  let runs = 0;
  const ci = new CiHarness({
    ...{ backends: { array1: 1 }, definitions: [definition()] },
    cleans: () => {
      runs += 1;
      return runs === 1 ? SUCCESSFUL_STAGE : null;
    },
  });
  await ci.start();
  const first = await clean(ci);
  when(ci, isAt('done'), () => ci.holdAt('before raise', 5 * MINUTE_MS, () => {}));
  await ci.clock.advance(2 * MINUTE_MS);
  expect(last(ci)?.phase).toBe('ended');
  const second = await clean(ci);
  const isRaised = () => ci.store.rows(first.cleaning).at(-1)?.type === 'alarm.raised';
  expect(isRaised()).toBe(false);
  await ci.clock.advance(5 * MINUTE_MS);
  expect(isRaised()).toBe(true);
  expect(last(ci)).toMatchObject({ cleaning: second.cleaning, phase: 'running' });
  await expect(clean(ci)).rejects.toThrow(`janitor array1 already cleans: ${second.cleaning}`);
});

test('idle back ends are cleaned once after the jobs that have used them, also across a restart', async () => {
  const definitions = [definition({ view: IDLE })];
  const ci = new CiHarness({ backends: { array1: 1 }, specs: JOBS, definitions });
  await ci.start();
  await ci.clock.advance(60 * MINUTE_MS);
  expect(ci.janitors.started).toBe(0);
  ci.emit(created());
  await ci.run();
  await ci.restart();
  await ci.clock.advance(9 * MINUTE_MS);
  expect(ci.janitors.started).toBe(0);
  await ci.clock.advance(2 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
  await ci.restart();
  await ci.clock.advance(120 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
  expect(last(ci)).toMatchObject({ outcome: 'succeeded', cause: { by: 'idle', idleMs: 10 * MINUTE_MS } });
});

test('evidence that is published after the end of a job is no new use of its back ends', async () => {
  let isDown = true;
  const ci = new CiHarness({
    ...{ backends: { array1: 1 }, specs: JOBS, definitions: [definition({ view: IDLE })] },
    wrapAdapters: wrapPort('evidence', (inner) => ({
      publish: (...what) => (isDown ? Promise.reject(outage('publish evidence')) : inner.publish(...what)),
    })),
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.ended === true);
  await ci.clock.advance(15 * MINUTE_MS);
  expect([ci.janitors.started, ci.jobs()[0]?.url]).toEqual([1, null]);
  isDown = false;
  await ci.run();
  expect(ci.jobs()[0]?.url).not.toBeNull();
  await ci.clock.advance(60 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
  await ci.restart();
  await ci.clock.advance(60 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
});

test('after a restart back ends are idle since the last end of a job, whichever job began last', async () => {
  let runs = 0;
  const ci = new CiHarness({
    ...{ slots: 2, backends: { array1: 2 }, specs: JOBS, definitions: [definition({ view: IDLE })] },
    stage: () => {
      runs += 1;
      return { ...SUCCESSFUL_STAGE, afterMs: (runs === 1 ? 30 : 1) * MINUTE_MS };
    },
  });
  await ci.start();
  ci.emit(created());
  ci.emit(created(2));
  await ci.run();
  await ci.restart();
  await ci.clock.advance(9 * MINUTE_MS);
  expect(ci.janitors.started).toBe(0);
  await ci.clock.advance(2 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
});

test('scheduled times at which no daemon ran lead to one cleaning', async () => {
  const ci = new CiHarness({ backends: { array1: 1 }, definitions: [HOURLY] });
  await ci.start();
  await ci.clock.advance(61 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
  await ci.daemon.service.stop();
  await ci.clock.advance(300 * MINUTE_MS);
  await ci.restart();
  await ci.clock.advance(10 * MINUTE_MS);
  expect(ci.janitors.started).toBe(2);
  expect(last(ci)?.cause).toMatchObject({ by: 'schedule' });
});

test('a janitor that a reload adds cleans on schedule too', async () => {
  const ci = new CiHarness({ backends: { array1: 1 } });
  await ci.start();
  const dueAt = ci.clock.now() + 10 * MINUTE_MS;
  ci.daemon.janitors.define([definition({ nextTime: (after) => (after < dueAt ? dueAt : null) })]);
  await ci.clock.advance(9 * MINUTE_MS);
  expect(ci.janitors.started).toBe(0);
  await ci.clock.advance(2 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
});

test.each([
  ['adds', []],
  ['changes', [definition()]],
] as const)('a schedule that a reload %s has missed no time before the reload', async (_what, before) => {
  const ci = new CiHarness({ backends: { array1: 1 }, definitions: before });
  await ci.start();
  await ci.clock.advance(61 * MINUTE_MS);
  ci.daemon.janitors.define([HOURLY]);
  await ci.clock.advance(30 * MINUTE_MS);
  expect(ci.janitors.started).toBe(0);
  await ci.clock.advance(30 * MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
});

test('a reload that does not change a schedule keeps the time that has just passed', async () => {
  const ci = new CiHarness({ backends: { array1: 1 }, definitions: [HOURLY] });
  await ci.start();
  // The first full hour, between two checks.
  await ci.clock.advance(60 * MINUTE_MS - (ci.clock.now() % (60 * MINUTE_MS)) + 1);
  expect(ci.janitors.started).toBe(0);
  ci.daemon.janitors.define([HOURLY]);
  await ci.clock.advance(MINUTE_MS);
  expect(ci.janitors.started).toBe(1);
});

test('a measurement above the threshold starts a janitor; one that fails raises an alarm until it works', async () => {
  const measured: (number | Error)[] = [500, broken(), 501, 12];
  const measure = async () => {
    const next = measured.shift();
    if (typeof next === 'number') return next;
    throw next ?? broken();
  };
  const threshold = { above: 500, everyMs: 15 * MINUTE_MS, measure };
  const ci = new CiHarness({ backends: { array1: 1 }, definitions: [definition({ threshold })] });
  await ci.start();
  await ci.clock.advance(14 * MINUTE_MS);
  expect([measured.length, ci.janitors.started]).toEqual([3, 0]);
  await ci.clock.advance(15 * MINUTE_MS);
  const alarm = { kind: 'janitor-failed', target: 'array1 threshold' };
  expect(ci.alarms.raised.at(-1)).toMatchObject({ ...alarm, hint: 'run it by hand' });
  await ci.clock.advance(15 * MINUTE_MS);
  expect(ci.alarms.raised).toContainEqual(expect.objectContaining({ ...alarm, cleared: true }));
  expect(last(ci)).toMatchObject({
    outcome: 'succeeded',
    cause: { by: 'threshold', measured: 501, above: 500 },
  });
  await ci.clock.advance(15 * MINUTE_MS);
  expect([measured.length, ci.janitors.started]).toEqual([0, 1]);
});

function broken(): OperationError {
  const [operation, target] = ['measure threshold', 'count-volumes'];
  return new OperationError({
    operation,
    target,
    message: 'no route',
    retryable: true,
    hint: 'run it by hand',
  });
}
