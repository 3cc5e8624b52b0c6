/**
 * Providers that are added, changed and removed while jobs use them: each server keeps a provider that can remove it.
 */
import { expect, test } from 'vitest';
import {
  type ProviderDefinition,
  ProviderRegistry,
  type ProviderUse,
  type ReportCapacity,
} from '../../../src/engine/operations/provider-registry.ts';
import { FakeProvider } from '../../fakes/provider.ts';

const definition = (name: string, slots = 1, text = 'local'): ProviderDefinition => ({
  name,
  slots,
  text,
  make: () => new FakeProvider({ name, slots }),
});
const unused = () => ({ jobs: 0, holders: 0 });
const by = (use: Readonly<Record<string, ProviderUse>>) => (name: string) => use[name] ?? unused();
const names = (set: ProviderRegistry) => [...set.providers.keys()];

test('a defined provider is available, with its slots', () => {
  const set = new ProviderRegistry([definition('local', 2), definition('cloud', 5)]);
  expect([names(set), set.slots, set.draining]).toEqual([['local', 'cloud'], { local: 2, cloud: 5 }, []]);
  expect(set.providers.get('cloud')?.name).toBe('cloud');
});

test('a new provider is available at once, and an unused one is removed at once', () => {
  const set = new ProviderRegistry([definition('local')]);
  const { providers } = set;
  set.define([definition('cloud', 3)], unused);
  expect([names(set), set.slots, set.draining]).toEqual([['cloud'], { cloud: 3 }, []]);
  expect(providers).toBe(set.providers);
});

test('a provider with reduced capacity has fewer slots, and reports them', () => {
  const reported: ReportCapacity[] = [];
  const pool = (slots: number, text = 'static'): ProviderDefinition => ({
    ...definition('pool', slots, text),
    make: (onCapacity) => {
      reported.push(onCapacity);
      return new FakeProvider({ name: 'pool', slots });
    },
  });
  const set = new ProviderRegistry([pool(3)]);
  const seen: unknown[] = [];
  set.onCapacity = () => seen.push(set.slots);
  reported[0]?.(1);
  reported[0]?.(5);
  expect(seen).toEqual([{ pool: 1 }, { pool: 3 }]);
  expect(reported[0]?.(2, 'cores: 8 of 10 used')).toBe(true);
  expect(set.slotReasons).toEqual({ pool: 'cores: 8 of 10 used' });
  expect(reported[0]?.(null)).toBe(true);
  expect([set.slots, seen.length]).toEqual([{ pool: 2 }, 3]);
  set.define([pool(4, 'other hosts')], unused);
  expect([reported[0]?.(0), reported[0]?.(null)]).toEqual([false, false]);
  expect([set.slots, seen.length]).toEqual([{ pool: 4 }, 3]);
  expect(set.slotReasons).toEqual({});
});

test('a change of slots keeps the provider', () => {
  const set = new ProviderRegistry([definition('local', 1)]);
  const before = set.providers.get('local');
  set.define([definition('local', 4)], by({ local: { jobs: 1, holders: 1 } }));
  expect([set.providers.get('local'), set.slots]).toEqual([before, { local: 4 }]);
});

test('a removed provider stays with its slots until its last job has ended', () => {
  const set = new ProviderRegistry([definition('local', 2), definition('cloud')]);
  const use = { local: { jobs: 2, holders: 1 } };
  set.define([definition('cloud')], by(use));
  expect([names(set), set.slots, set.draining]).toEqual([
    ['local', 'cloud'],
    { local: 2, cloud: 1 },
    ['local'],
  ]);
  expect(set.reconcile(by({ local: { jobs: 1, holders: 0 } }))).toBe(false);
  expect(set.reconcile(unused)).toBe(true);
  expect([names(set), set.draining, set.reconcile(unused)]).toEqual([['cloud'], [], false]);
});

test('a removed provider that is added back in time is kept', () => {
  const set = new ProviderRegistry([definition('local', 2), definition('cloud')]);
  const before = set.providers.get('local');
  set.define([definition('cloud')], by({ local: { jobs: 1, holders: 1 } }));
  set.define([definition('cloud'), definition('local', 3)], by({ local: { jobs: 1, holders: 1 } }));
  expect([set.providers.get('local'), set.slots.local, set.draining]).toEqual([before, 3, []]);
});

test('a changed provider gets no new job until its running jobs have ended', () => {
  const set = new ProviderRegistry([definition('lab', 2, 'hosts a, b')]);
  const before = set.providers.get('lab');
  set.define([definition('lab', 3, 'hosts c')], by({ lab: { jobs: 4, holders: 2 } }));
  expect([set.providers.get('lab'), set.slots, set.draining]).toEqual([before, { lab: 0 }, ['lab']]);
  expect(set.reconcile(by({ lab: { jobs: 2, holders: 0 } }))).toBe(true);
  expect(set.providers.get('lab')).not.toBe(before);
  expect([set.slots, set.draining]).toEqual([{ lab: 3 }, []]);
});

test('a provider that is changed back in time continues unchanged', () => {
  const set = new ProviderRegistry([definition('lab', 2, 'hosts a')]);
  const before = set.providers.get('lab');
  const busy = by({ lab: { jobs: 1, holders: 1 } });
  set.define([definition('lab', 2, 'hosts b')], busy);
  set.define([definition('lab', 2, 'hosts a')], busy);
  expect([set.providers.get('lab'), set.slots, set.draining]).toEqual([before, { lab: 2 }, []]);
});
