/** vigil@1: each trouble is told once, and once when it is over; what nobody knows stays as it was. */
import { describe, expect, test } from 'vitest';
import type { Alarm } from '../../../src/machines/model/alarm.ts';
import type { Sight, VigilLimits } from '../../../src/machines/model/health-snapshot.ts';
import { VIGIL, type VigilContext } from '../../../src/machines/system/health.ts';
import { START } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { Simulator } from '../simulator.ts';

const MB = 1024 ** 2;
const LIMITS: VigilLimits = {
  diskFreeBytes: 1_000 * MB,
  diskFreeFiles: 100,
  walBytes: 64 * MB,
  quietMs: 3_600_000,
  quietOthers: 3,
};
const WELL: Sight = {
  disks: [{ path: '/s', holds: 'stateDir and logs', freeBytes: 5_000 * MB, freeFiles: 5_000 }],
  walBytes: 4 * MB,
  reports: { ownAt: null, listenedMs: 0, others: 0 },
  unkept: null,
};
const disk = (change: object): Sight => ({
  ...WELL,
  disks: WELL.disks.map((one) => ({ ...one, ...change })),
});

function opened(): Simulator {
  const world = new Simulator();
  world.tell(VIGIL, { type: 'vigil.opened', limits: LIMITS });
  return world;
}

function see(world: Simulator, ...sights: readonly Sight[]): void {
  for (const sight of sights) world.tell(VIGIL, { type: 'vigil.noticed', sight });
}

function alarms(world: Simulator): readonly Alarm[] {
  return world.log.flatMap((row) =>
    row.effects.flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm] : [])),
  );
}

const kinds = (world: Simulator) =>
  alarms(world).map(({ kind, cleared }) => (cleared === true ? `over: ${kind}` : kind));
const context = (world: Simulator) => world.at(VIGIL).context as unknown as VigilContext;

describe('a trouble', () => {
  const troubles: readonly (readonly [string, Sight, Sight, Sight])[] = [
    [
      'disk-low',
      disk({ freeBytes: 999 * MB }),
      disk({ freeBytes: 1_249 * MB }),
      disk({ freeBytes: 1_250 * MB }),
    ],
    ['disk-low', disk({ freeFiles: 99 }), disk({ freeFiles: 124 }), disk({ freeFiles: 125 })],
    [
      'wal-large',
      { ...WELL, walBytes: 65 * MB },
      { ...WELL, walBytes: 60 * MB },
      { ...WELL, walBytes: 51 * MB },
    ],
    ['event-archive-failing', { ...WELL, unkept: 'no space left' }, { ...WELL, unkept: 'no right' }, WELL],
    [
      'no-reports',
      { ...WELL, reports: { ownAt: null, listenedMs: 3_600_000, others: 3 } },
      { ...WELL, reports: { ownAt: null, listenedMs: 0, others: 0 } },
      { ...WELL, reports: { ownAt: START + 1, listenedMs: 0, others: 0 } },
    ],
  ];
  test.each(troubles)(
    '%s is told once, not over when it is only a little better, and told when it is over',
    (kind, bad, better, well) => {
      const world = opened();
      see(world, WELL, bad, bad, better, bad);
      expect([kinds(world), world.at(VIGIL).state]).toEqual([[kind], 'troubled']);
      expect(context(world).troubles).toMatchObject([{ kind, since: START }]);
      see(world, well, well);
      expect([kinds(world), world.at(VIGIL).state]).toEqual([[kind, `over: ${kind}`], 'calm']);
      see(world, bad);
      expect(kinds(world).length).toBe(3);
      orderly(world);
    },
  );

  test('comes beside others, each by itself', () => {
    const world = opened();
    see(world, { ...disk({ freeBytes: 0, freeFiles: 0 }), walBytes: 65 * MB });
    see(world, { ...disk({ freeFiles: 0 }), walBytes: 65 * MB });
    see(world, WELL);
    expect(kinds(world)).toEqual([
      'disk-low',
      'disk-low',
      'wal-large',
      'over: disk-low',
      'over: disk-low',
      'over: wal-large',
    ]);
    orderly(world);
  });

  test('names what it is, how it is, and what to do', () => {
    const world = opened();
    see(world, disk({ freeBytes: 100 * MB }));
    expect(alarms(world)).toEqual([
      {
        kind: 'disk-low',
        target: '/s',
        message: 'the disk of stateDir and logs runs full: 100 MB are free, the limit is 1000 MB',
        hint: expect.stringContaining('monitoring.minFreeDisk'),
      },
    ]);
  });
});

describe('what nobody knows', () => {
  test('neither begins nor ends anything', () => {
    const world = opened();
    const blind: Sight = { ...disk({ freeBytes: null, freeFiles: null }), walBytes: null };
    see(world, blind);
    expect(kinds(world)).toEqual([]);
    see(world, { ...disk({ freeBytes: 0 }), walBytes: 65 * MB }, blind);
    expect(kinds(world)).toEqual(['disk-low', 'wal-large']);
    orderly(world);
  });
});

test('a place that is not looked at any more is no trouble any more', () => {
  const world = opened();
  see(world, disk({ freeBytes: 0 }), disk({ path: '/elsewhere' }));
  expect(kinds(world)).toEqual(['disk-low', 'over: disk-low']);
  orderly(world);
});

test('too few reports of others, too little time, or nothing to report: no alarm', () => {
  const world = opened();
  see(
    world,
    { ...WELL, reports: { ownAt: null, listenedMs: 9e9, others: 2 } },
    { ...WELL, reports: { ownAt: null, listenedMs: 3_599_999, others: 99 } },
    { ...WELL, reports: null },
  );
  expect(kinds(world)).toEqual([]);
});

test('posting that is switched off ends it', () => {
  const world = opened();
  see(world, { ...WELL, reports: { ownAt: 1, listenedMs: 9e9, others: 9 } }, { ...WELL, reports: null });
  expect(kinds(world)).toEqual(['no-reports', 'over: no-reports']);
});

test('new limits count for the next look, and trouble of our own ends nothing', () => {
  const world = opened();
  world.tell(VIGIL, { type: 'vigil.opened', limits: { ...LIMITS, walBytes: 1 * MB } });
  world.tell(VIGIL, { type: 'machine.failed', event: 'vigil.noticed', message: 'broken' });
  world.tell(VIGIL, { type: 'daemon.crashed', during: 'vigil.noticed', message: 'broken' });
  see(world, WELL);
  expect(kinds(world)).toEqual(['wal-large']);
  orderly(world);
});
