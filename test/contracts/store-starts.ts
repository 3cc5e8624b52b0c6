/** What every store promises of the starts that it counts: by change, account, project and all, by the time of their events. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cascade } from '../../src/engine/cascade.ts';
import type { Append, Store } from '../../src/engine/store.ts';
import type { AnyEvent } from '../../src/machines/events.ts';
import type { StartCause } from '../../src/machines/rules/cause.ts';
import { opened, PATCHSET, START } from '../machines/facts.ts';
import { sha256 } from '../machines/simulator.ts';

export function startsContract(name: string, open: () => Store): void {
  describe(`starts: ${name}`, () => {
    let store: Store;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => store.close());

    let reviews = 0;
    const begin = async (
      change: number,
      by: string,
      at: number,
      project = 'p',
    ): Promise<readonly Append[]> => {
      reviews += 1;
      const cause: StartCause = { kind: 'recheck', by, at, why: `recheck by ${by}` };
      const patchset = { ...PATCHSET, change, project };
      return submit({ ...opened(), trigger: `t${reviews}`, patchset, cause } as AnyEvent);
    };
    const submit = async (event: AnyEvent) => {
      const batch: Append[] = [];
      const options = { hash: sha256, now: () => START, stored: () => null, strict: false };
      cascade(
        batch,
        { history: `r${reviews}`, machine: 'review@1', event, settles: null, cause: null },
        options,
      );
      const own = batch.filter(({ row }) => row.history === `r${reviews}`);
      await store.append(own);
      return own;
    };
    const starts = (changes: object = {}) =>
      store.starts({ project: 'p', change: 1, by: 'alice', since: 0, until: 1_000, ...changes });

    test('nothing was started in the beginning', () => {
      expect(starts()).toEqual({ change: 0, author: 0, project: 0, all: 0 });
    });

    test('each kind is counted by itself', async () => {
      await begin(1, 'alice', 10);
      await begin(1, 'bob', 20);
      await begin(2, 'alice', 30);
      await begin(1, 'alice', 40, 'other');
      expect(starts()).toEqual({ change: 2, author: 3, project: 3, all: 4 });
      expect(starts({ by: 'carol', change: 3 })).toEqual({ change: 0, author: 0, project: 3, all: 4 });
    });

    test('from after the beginning of the time up to its end', async () => {
      for (const at of [100, 200, 300]) await begin(1, 'alice', at);
      expect(starts({ since: 100, until: 300 }).all).toBe(2);
      expect(starts({ since: 99, until: 299 }).all).toBe(2);
      expect(starts({ since: 300 }).all).toBe(0);
    });

    test('what an operator began does not count', async () => {
      reviews += 1;
      await submit({
        ...opened(),
        trigger: `t${reviews}`,
        patchset: { ...PATCHSET, change: 1, project: 'p' },
      } as AnyEvent);
      expect(starts()).toEqual({ change: 0, author: 0, project: 0, all: 0 });
    });

    test('they are a view: made again from the rows, the same', async () => {
      const rows = [...(await begin(1, 'alice', 10)), ...(await begin(2, 'bob', 20))];
      const before = [...store.views()];
      store.replaceViews(rows.map((row, index) => ({ ...row, seq: index + 1 })));
      expect([...store.views()]).toEqual(before);
      expect(starts()).toEqual({ change: 1, author: 1, project: 2, all: 2 });
    });

    test('the last alarm of a kind and target is found', () => {
      const alarm = { kind: 'start-limit', target: 'limit-change 1', message: 'm', hint: 'h' } as const;
      store.alarm(alarm, 5);
      store.alarm(alarm, 7);
      expect(store.lastAlarm('start-limit', 'limit-change 1')).toEqual({
        ...alarm,
        firstAt: 5,
        lastAt: 7,
        times: 2,
        clearedAt: null,
      });
      expect(store.lastAlarm('start-limit', 'limit-change 2')).toBe(null);
      expect(store.lastAlarm('queue-full', 'limit-change 1')).toBe(null);
    });
  });
}
