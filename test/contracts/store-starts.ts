/**
 * The contract of the starts that a store counts: by change, account, project and in total, at the times of their
 * events.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dispatch } from '../../src/engine/loop/dispatch.ts';
import type { LogEntry, Store } from '../../src/engine/ports/store.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import type { StartCause } from '../../src/machines/trigger/rules/cause.ts';
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
    ): Promise<readonly LogEntry[]> => {
      reviews += 1;
      const cause: StartCause = { kind: 'recheck', by, at, why: `recheck by ${by}` };
      const patchset = { ...PATCHSET, change, project };
      return submit({ ...opened(), trigger: `t${reviews}`, patchset, cause } as AnyEvent);
    };
    const submit = async (event: AnyEvent) => {
      const batch: LogEntry[] = [];
      const options = {
        hash: sha256,
        now: () => START,
        stored: () => null,
        wasRequested: () => false,
        strict: false,
      };
      dispatch(
        batch,
        { history: `r${reviews}`, startsOn: 'review@1', event, settles: null, causationId: null },
        options,
      );
      const own = batch.filter(({ row }) => row.history === `r${reviews}`);
      await store.append(own);
      return own;
    };
    const starts = (window: object = {}) =>
      store
        .starts({ since: 0, until: 1_000, ...window })
        .map(({ project, change, by, at }) => `${project} ${change} ${by} ${at}`)
        .sort();

    test('an empty store has none', () => {
      expect(starts()).toEqual([]);
    });

    test('each start has its project, change and account', async () => {
      await begin(1, 'alice', 10);
      await begin(1, 'bob', 20);
      await begin(2, 'alice', 30);
      await begin(1, 'alice', 40, 'other');
      expect(starts()).toEqual(['other 1 alice 40', 'p 1 alice 10', 'p 1 bob 20', 'p 2 alice 30']);
    });

    test('a period excludes its beginning and includes its end', async () => {
      for (const at of [100, 200, 300]) await begin(1, 'alice', at);
      expect(starts({ since: 100, until: 300 })).toHaveLength(2);
      expect(starts({ since: 99, until: 299 })).toHaveLength(2);
      expect(starts({ since: 300 })).toEqual([]);
    });

    test('starts without a cause do not count', async () => {
      reviews += 1;
      await submit({
        ...opened(),
        trigger: `t${reviews}`,
        patchset: { ...PATCHSET, change: 1, project: 'p' },
      } as AnyEvent);
      expect(starts()).toEqual([]);
    });

    test('starts that are rebuilt from the rows are identical', async () => {
      const rows = [...(await begin(1, 'alice', 10)), ...(await begin(2, 'bob', 20))];
      const before = [...store.views()];
      store.replaceViews(rows.map((row, index) => ({ ...row, seq: index + 1 })));
      expect([...store.views()]).toEqual(before);
      expect(starts()).toEqual(['p 1 alice 10', 'p 2 bob 20']);
    });

    test('the last alarm with a kind and target is found', () => {
      const alarm = { kind: 'rate-limit', target: 'limit-change 1', message: 'm', hint: 'h' } as const;
      store.alarm(alarm, 5);
      store.alarm(alarm, 7);
      expect(store.lastAlarm('rate-limit', 'limit-change 1')).toEqual({
        ...alarm,
        firstAt: 5,
        lastAt: 7,
        times: 2,
        clearedAt: null,
        acknowledgedAt: null,
        acknowledgedBy: '',
        acknowledgedWhy: '',
      });
      expect(store.lastAlarm('rate-limit', 'limit-change 2')).toBe(null);
      expect(store.lastAlarm('queue-full', 'limit-change 1')).toBe(null);
    });
  });
}
