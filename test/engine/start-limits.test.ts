/** Starts within their limits: a storm of rechecks is bounded, counted, and told once. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { storeAlarms } from '../../src/engine/alarms.ts';
import { overLimit } from '../../src/engine/start-limits.ts';
import type { Store } from '../../src/engine/store.ts';
import type { GerritEvent } from '../../src/machines/gerrit-event.ts';
import { FakeClock } from '../fakes/clock.ts';
import { FakeLog } from '../fakes/log.ts';
import { PATCHSET } from '../machines/facts.ts';
import { abandoned, comment, created, FIRST } from '../scenarios/gerrit-says.ts';
import { Lab } from '../scenarios/lab.ts';

const LIMITS = { change: 2, author: 100, project: 100, all: 100 };
const HOUR = 3_600_000;
const AT = 1_767_323_000_000;

/** Each comment a second after the one before. */
function recheck(second: number, change = FIRST): GerritEvent {
  return { ...comment('recheck', 'alice', change), at: AT + second * 1_000 } as GerritEvent;
}

describe('a storm', () => {
  test('of rechecks on one change starts what the limit lets', async () => {
    const lab = new Lab({ rules: { limits: LIMITS } });
    await lab.start();
    for (let second = 0; second < 8; second += 1) {
      lab.say(recheck(second));
      await lab.run();
    }
    expect(lab.jobs()).toHaveLength(2);
    expect(lab.store.intake()).toMatchObject({ 'comment-added': 8, 'refused:limit-change': 6 });
  });

  test('on one change leaves others alone, and an hour later it is over', async () => {
    const lab = new Lab({ rules: { limits: LIMITS } });
    await lab.start();
    for (const event of [recheck(0), recheck(1), recheck(2), recheck(3, FIRST + 1), recheck(3_601)]) {
      lab.say(event);
      await lab.run();
    }
    expect(lab.jobs().map(({ change }) => change)).toEqual([FIRST, FIRST, FIRST + 1, FIRST]);
  });

  test.each([
    ['author', { change: 9, author: 2, project: 9, all: 9 }],
    ['project', { change: 9, author: 9, project: 2, all: 9 }],
    ['hour', { change: 9, author: 9, project: 9, all: 2 }],
  ])('over several changes is bounded by %s', async (name, limits) => {
    const lab = new Lab({ rules: { limits }, slots: 5 });
    await lab.start();
    for (const change of [1, 2, 3, 4]) lab.say(created(change));
    await lab.run();
    expect(lab.jobs()).toHaveLength(2);
    expect(lab.store.intake()).toMatchObject({ [`refused:limit-${name}`]: 2 });
  });

  test('counts by when it was caused, so that what is caught up with is none', async () => {
    const lab = new Lab({ rules: { limits: { ...LIMITS, project: 2 } }, slots: 9 });
    await lab.start();
    for (const hour of [0, 1, 2, 3, 4])
      lab.say({ ...created(100 + hour), at: AT + hour * HOUR } as GerritEvent);
    await lab.run();
    expect(lab.jobs()).toHaveLength(5);
  });

  test('counts nothing that did not start', async () => {
    const lab = new Lab({ rules: { limits: LIMITS } });
    await lab.start();
    for (const event of [created(), recheck(1), recheck(2), recheck(3)]) lab.say(event);
    await lab.quiet();
    lab.say(abandoned());
    await lab.run();
    lab.say(recheck(60));
    await lab.run();
    expect(lab.jobs()).toHaveLength(2);
  });
});

describe('the operator', () => {
  let store: Store;
  beforeEach(() => {
    store = openStore(':memory:');
  });
  afterEach(() => store.close());

  test('hears of a storm once an hour, and of another one by itself', async () => {
    const [clock, log] = [new FakeClock(), new FakeLog()];
    const counting = {
      store,
      clock,
      alarms: storeAlarms(store, clock, log, { alarmQuietMs: 0, alarms: 10 }, () => {}),
    };
    const refused = (change: number, by: string) =>
      overLimit(counting, { ...LIMITS, author: 0 }, { patchset: { ...PATCHSET, change }, by, at: 0 });
    for (let times = 0; times < 5; times += 1) {
      expect(await refused(1, 'alice')).toMatchObject({ rule: 'limit-author' });
      await refused(2, 'bob');
    }
    expect(
      store
        .alarms(9)
        .map(({ target, times }) => `${target} ${times}`)
        .sort(),
    ).toEqual(['limit-author alice 1', 'limit-author bob 1']);
    await clock.advance(HOUR);
    await refused(1, 'alice');
    expect(store.lastAlarm('start-limit', 'limit-author alice')).toMatchObject({ times: 2 });
    expect(store.intake()).toMatchObject({ 'refused:limit-author': 11 });
  });
});
