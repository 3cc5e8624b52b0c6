/** The contract of a store's alarms: when an alarm counts as new, and which alarms have not been mailed yet. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/engine/ports/store.ts';
import type { Alarm } from '../../src/machines/model/alarm.ts';

const RENEW_AFTER_MS = 1_000;
const alarm = (target: string, kind: Alarm['kind'] = 'queue-full'): Alarm => ({
  kind,
  target,
  message: 'full',
  hint: 'wait',
});

const UNACKNOWLEDGED = { acknowledgedAt: null, acknowledgedBy: '', acknowledgedWhy: '' };

export function storeAlarmsContract(name: string, open: () => Store): void {
  describe(`alarms: ${name}`, () => {
    let store: Store;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => store.close());
    const targets = () => store.unmailed(9).map(({ target }) => target);

    test('an alarm is unmailed until it is mailed, and again when it becomes new', () => {
      store.alarm(alarm('a'), 10_000, RENEW_AFTER_MS);
      expect(store.unmailed(9)).toEqual([
        {
          ...alarm('a'),
          firstAt: 10_000,
          lastAt: 10_000,
          times: 1,
          newAt: 10_000,
          clearedAt: null,
          ...UNACKNOWLEDGED,
        },
      ]);
      store.markMailed(store.unmailed(9));
      // The alarm is repeated, each time before it counts as new.
      for (const at of [10_500, 11_400, 12_400]) store.alarm(alarm('a'), at, RENEW_AFTER_MS);
      expect(targets()).toEqual([]);
      store.alarm({ ...alarm('a'), message: 'full again' }, 13_500, RENEW_AFTER_MS);
      expect(store.unmailed(9)).toMatchObject([{ message: 'full again', times: 5, newAt: 13_500 }]);
    });

    test('an alarm that becomes new while a mail is sent stays unmailed', () => {
      store.alarm(alarm('a'), 1, RENEW_AFTER_MS);
      const sent = store.unmailed(9);
      store.alarm(alarm('a'), 5_000, RENEW_AFTER_MS);
      store.markMailed(sent);
      expect(targets()).toEqual(['a']);
    });

    test('returns the oldest alarms first, those about mail last, and at most the requested number', () => {
      store.alarm(alarm('m', 'mail-send-failed'), 1, RENEW_AFTER_MS);
      for (const [index, target] of ['c', 'b', 'a'].entries())
        store.alarm(alarm(target), 2 + index, RENEW_AFTER_MS);
      expect(targets()).toEqual(['c', 'b', 'a', 'm']);
      expect(store.unmailed(2).map(({ target }) => target)).toEqual(['c', 'b']);
      store.markMailed(store.unmailed(2));
      expect(targets()).toEqual(['a', 'm']);
    });

    test('a cleared alarm is mailed once, and is new when it is raised again', () => {
      const over = { ...alarm('a'), message: 'room again', hint: '', cleared: true } as const;
      store.alarm(alarm('a'), 1, RENEW_AFTER_MS);
      store.markMailed(store.unmailed(9));
      store.alarm(over, 100, RENEW_AFTER_MS);
      store.alarm(over, 101, RENEW_AFTER_MS);
      expect(store.unmailed(9)).toMatchObject([
        { message: 'room again', clearedAt: 100, lastAt: 1, times: 1 },
      ]);
      store.markMailed(store.unmailed(9));
      store.alarm(alarm('a'), 200, RENEW_AFTER_MS);
      expect(store.unmailed(9)).toMatchObject([{ message: 'full', clearedAt: null, lastAt: 200, times: 2 }]);
    });

    test('an alarm that is cleared in the millisecond in which it was raised is mailed again', () => {
      store.alarm(alarm('a'), 1, RENEW_AFTER_MS);
      store.markMailed(store.unmailed(9));
      store.alarm({ ...alarm('a'), cleared: true }, 1, RENEW_AFTER_MS);
      expect(targets()).toEqual(['a']);
    });

    test('clearing an alarm that was never raised does nothing', () => {
      store.alarm({ ...alarm('a'), cleared: true }, 1, RENEW_AFTER_MS);
      expect([store.alarms(9), store.unmailed(9)]).toEqual([[], []]);
    });

    test('cleared alarms are listed last', () => {
      store.alarm(alarm('a'), 1, RENEW_AFTER_MS);
      store.alarm(alarm('b'), 2, RENEW_AFTER_MS);
      store.alarm({ ...alarm('b'), cleared: true }, 3, RENEW_AFTER_MS);
      expect(store.alarms(9)).toMatchObject([
        { target: 'a', clearedAt: null },
        { target: 'b', clearedAt: 3 },
      ]);
    });

    test('an alarm is acknowledged once, alone or with all others, until it becomes new', () => {
      for (const target of ['a', 'b', 'c']) store.alarm(alarm(target), 10_000, RENEW_AFTER_MS);
      const seen = () =>
        store
          .alarms(9)
          .map(
            ({ target, acknowledgedAt, acknowledgedBy }) => `${target} ${acknowledgedAt} ${acknowledgedBy}`,
          );
      expect(store.acknowledge({ kind: 'queue-full', target: 'gone' }, 10_100, 'alice', 'seen')).toBe(0);
      expect(store.acknowledge({ kind: 'queue-full', target: 'b' }, 10_100, 'alice', 'seen')).toBe(1);
      expect(store.acknowledge({ kind: 'queue-full', target: 'b' }, 10_200, 'bob', 'seen')).toBe(0);
      expect(seen().at(-1)).toBe('b 10100 alice');
      expect(store.acknowledge(null, 10_300, 'bob', 'seen')).toBe(2);
      // A repeated alarm stays acknowledged. After a silent period it is new.
      store.alarm(alarm('a'), 10_400, RENEW_AFTER_MS);
      store.alarm(alarm('b'), 20_000, RENEW_AFTER_MS);
      store.alarm({ ...alarm('c'), cleared: true }, 10_500, RENEW_AFTER_MS);
      store.alarm(alarm('c'), 10_600, RENEW_AFTER_MS);
      expect(seen().sort()).toEqual(['a 10300 bob', 'b null alice', 'c null bob']);
    });

    test('marking a removed alarm as mailed is not an error', () => {
      store.markMailed([
        { ...alarm('gone'), firstAt: 1, lastAt: 1, times: 1, newAt: 1, clearedAt: null, ...UNACKNOWLEDGED },
      ]);
      expect(targets()).toEqual([]);
    });
  });
}
