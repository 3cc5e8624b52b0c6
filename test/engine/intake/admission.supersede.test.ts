/** The effect of a newer patchset on jobs of older ones, by configuration; and the effect of a head start. */
import { describe, expect, test } from 'vitest';
import type { SupersedeMode } from '../../../src/machines/trigger/rules/supersede.ts';
import { comment, created, FIRST } from '../../scenarios/gerrit-says.ts';
import { broken } from '../../scenarios/judge.ts';
import { Lab } from '../../scenarios/lab.ts';

async function labWith(supersede: SupersedeMode): Promise<Lab> {
  const lab = new Lab({ rules: { supersede } });
  await lab.start();
  return lab;
}
const states = (lab: Lab) => lab.jobs().map(({ patchset, state }) => `${patchset} ${state.split('.')[0]}`);

describe('a newer patchset', () => {
  test.each([
    ['running', '1 done'],
    ['queued', '1 testing'],
    ['never', '1 testing'],
  ] as const)('%s: one whose tests run is %s', async (mode, older) => {
    const lab = await labWith(mode);
    lab.say(created());
    await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
    lab.say(created(FIRST, 2));
    await lab.untilIdle();
    expect(states(lab)[0]).toBe(older);
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(lab.jobs().map(({ verdict }) => verdict)).toEqual([
      mode === 'running' ? 'ABORTED' : 'SUCCESS',
      'SUCCESS',
    ]);
  });

  test.each([
    ['running', 'ABORTED'],
    ['queued', 'ABORTED'],
    ['never', 'SUCCESS'],
  ] as const)('%s: one that waits for a slot ends as %s', async (mode, verdict) => {
    const lab = await labWith(mode);
    lab.say(created(7));
    await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
    lab.say(created());
    await lab.untilIdle();
    lab.say(created(FIRST, 2));
    await lab.run();
    expect(broken(lab)).toEqual([]);
    const [, older, newer] = lab.jobs();
    expect([older?.verdict, newer?.verdict]).toEqual([verdict, 'SUCCESS']);
  });

  test('queued: leaves a review alone if any of its jobs has left the queue', async () => {
    const lab = await labWith('queued');
    lab.say(created());
    await lab.run(() => lab.jobs()[0]?.state === 'reporting' || lab.jobs()[0]?.ended === true);
    lab.say(created(FIRST, 2));
    await lab.run();
    expect(lab.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS', 'SUCCESS']);
  });
});

describe('a head start', () => {
  const requests = (lab: Lab) =>
    lab.store.outbox().flatMap(({ effect }) => (effect.type === 'acquireSlot' ? [effect.headStartMs] : []));

  test('depends on what started the job', async () => {
    const lab = new Lab({ slots: 0, headStartsMs: { recheck: 600_000, patchset: 5 } });
    await lab.start();
    lab.say(created());
    lab.say(comment('recheck', 'bob', 7));
    await lab.untilIdle();
    expect(requests(lab)).toEqual([5, 600_000]);
  });

  test('moves a recheck ahead of jobs that have waited for less than that', async () => {
    const lab = new Lab({ headStartsMs: { recheck: 600_000 } });
    await lab.start();
    for (const change of [1, 2]) lab.say(created(change));
    await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
    lab.say(comment('recheck', 'bob', 7));
    await lab.run();
    const granted = [...lab.store.log()].filter(({ type }) => type === 'slot.granted');
    const changes = granted.map(({ history }) => lab.store.job(history)?.change);
    expect(changes).toEqual([1, 7, 2]);
  });
});
