/** The effect of a newer patchset on jobs of older ones, by configuration; and the effect of a head start. */
import { describe, expect, test } from 'vitest';
import type { SupersedeMode } from '../../../src/machines/trigger/rules/supersede.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { comment, created, FIRST } from '../../scenarios/gerrit-events.ts';
import { violations } from '../../scenarios/violations.ts';

async function startCi(supersede: SupersedeMode): Promise<CiHarness> {
  const ci = new CiHarness({ rules: { supersede } });
  await ci.start();
  return ci;
}
const states = (ci: CiHarness) =>
  ci.jobs().map(({ patchset, state }) => `${patchset} ${state.split('.')[0]}`);

describe('a newer patchset', () => {
  test.each([
    ['running', '1 done'],
    ['queued', '1 testing'],
    ['never', '1 testing'],
  ] as const)('with mode %s: a job whose tests are running ends up as %s', async (mode, older) => {
    const ci = await startCi(mode);
    ci.emit(created());
    await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
    ci.emit(created(FIRST, 2));
    await ci.untilIdle();
    expect(states(ci)[0]).toBe(older);
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(ci.jobs().map(({ verdict }) => verdict)).toEqual([
      mode === 'running' ? 'ABORTED' : 'SUCCESS',
      'SUCCESS',
    ]);
  });

  test.each([
    ['running', 'ABORTED'],
    ['queued', 'ABORTED'],
    ['never', 'SUCCESS'],
  ] as const)('with mode %s: a job that waits for a slot ends as %s', async (mode, verdict) => {
    const ci = await startCi(mode);
    ci.emit(created(7));
    await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
    ci.emit(created());
    await ci.untilIdle();
    ci.emit(created(FIRST, 2));
    await ci.run();
    expect(violations(ci)).toEqual([]);
    const [, older, newer] = ci.jobs();
    expect([older?.verdict, newer?.verdict]).toEqual([verdict, 'SUCCESS']);
  });

  test('with mode queued: a review continues if any of its jobs has left the queue', async () => {
    const ci = await startCi('queued');
    ci.emit(created());
    await ci.run(() => ci.jobs()[0]?.state === 'reporting' || ci.jobs()[0]?.ended === true);
    ci.emit(created(FIRST, 2));
    await ci.run();
    expect(ci.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS', 'SUCCESS']);
  });
});

describe('a head start', () => {
  const requests = (ci: CiHarness) =>
    ci.store.outbox().flatMap(({ effect }) => (effect.type === 'acquireSlot' ? [effect.headStartMs] : []));

  test('depends on what started the job', async () => {
    const ci = new CiHarness({ slots: 0, headStartsMs: { recheck: 600_000, patchset: 5 } });
    await ci.start();
    ci.emit(created());
    ci.emit(comment('recheck', 'bob', 7));
    await ci.untilIdle();
    expect(requests(ci)).toEqual([5, 600_000]);
  });

  test('moves a recheck ahead of jobs that have waited for less than the head start', async () => {
    const ci = new CiHarness({ headStartsMs: { recheck: 600_000 } });
    await ci.start();
    for (const change of [1, 2]) ci.emit(created(change));
    await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
    ci.emit(comment('recheck', 'bob', 7));
    await ci.run();
    const granted = [...ci.store.log()].filter(({ type }) => type === 'slot.granted');
    const changes = granted.map(({ history }) => ci.store.job(history)?.change);
    expect(changes).toEqual([1, 7, 2]);
  });
});
