/** Each problem raises an alarm once and clears it once; an unknown value changes nothing. */
import { describe, expect, test } from 'vitest';
import { type Evaluation, evaluate } from '../../../src/engine/operations/health-checks.ts';
import type { Problem } from '../../../src/engine/ports/store.ts';
import type { HealthLimits, HealthSnapshot } from '../../../src/machines/model/health-snapshot.ts';
import { START } from '../../machines/facts.ts';

const MB = 1024 ** 2;
const LIMITS: HealthLimits = {
  diskFreeBytes: 1_000 * MB,
  diskFreeFiles: 100,
  walBytes: 64 * MB,
  maxSilenceMs: 3_600_000,
  minOtherReports: 3,
};
const HEALTHY: HealthSnapshot = {
  disks: [{ path: '/s', holds: 'stateDir and logs', freeBytes: 5_000 * MB, freeFiles: 5_000 }],
  walBytes: 4 * MB,
  reports: { ownAt: null, listenedMs: 0, others: 0 },
  archiveProblem: null,
};
const disk = (change: object): HealthSnapshot => ({
  ...HEALTHY,
  disks: HEALTHY.disks.map((disk) => ({ ...disk, ...change })),
});

/** Runs health checks in sequence, and records the kinds of alarms that they raise. */
class Checks {
  limits = LIMITS;
  problems: readonly Problem[] = [];
  readonly kinds: string[] = [];
  readonly begun: Evaluation['begun'][number][] = [];

  run(...snapshots: readonly HealthSnapshot[]): this {
    for (const snapshot of snapshots) {
      const { begun, over } = evaluate(snapshot, this.limits, this.problems);
      const ended = over.map(({ topic }) => topic);
      this.kinds.push(...over.map(({ kind }) => `over: ${kind}`), ...begun.map(({ kind }) => kind));
      this.begun.push(...begun);
      this.problems = [
        ...this.problems.filter(({ topic }) => !ended.includes(topic)),
        ...begun.map((problem) => ({ ...problem, since: START })),
      ];
    }
    return this;
  }
}

describe('a problem', () => {
  const problems: readonly (readonly [string, HealthSnapshot, HealthSnapshot, HealthSnapshot])[] = [
    [
      'disk-low',
      disk({ freeBytes: 999 * MB }),
      disk({ freeBytes: 1_249 * MB }),
      disk({ freeBytes: 1_250 * MB }),
    ],
    ['disk-low', disk({ freeFiles: 99 }), disk({ freeFiles: 124 }), disk({ freeFiles: 125 })],
    [
      'wal-large',
      { ...HEALTHY, walBytes: 65 * MB },
      { ...HEALTHY, walBytes: 60 * MB },
      { ...HEALTHY, walBytes: 51 * MB },
    ],
    [
      'event-archive-failing',
      { ...HEALTHY, archiveProblem: 'no space left' },
      { ...HEALTHY, archiveProblem: 'permission denied' },
      HEALTHY,
    ],
    [
      'no-reports',
      { ...HEALTHY, reports: { ownAt: null, listenedMs: 3_600_000, others: 3 } },
      { ...HEALTHY, reports: { ownAt: null, listenedMs: 0, others: 0 } },
      { ...HEALTHY, reports: { ownAt: START + 1, listenedMs: 0, others: 0 } },
    ],
  ];
  test.each(problems)(
    '%s is raised once, not cleared by a slight improvement, and cleared when it is over',
    (kind, bad, better, well) => {
      const checks = new Checks();
      checks.run(HEALTHY, bad, bad, better, bad);
      expect(checks.kinds).toEqual([kind]);
      expect(checks.problems).toMatchObject([{ kind, since: START }]);
      checks.run(well, well);
      expect([checks.kinds, checks.problems]).toEqual([[kind, `over: ${kind}`], []]);
      checks.run(bad);
      expect(checks.kinds.length).toBe(3);
    },
  );

  test('is independent of others', () => {
    const checks = new Checks();
    checks.run({ ...disk({ freeBytes: 0, freeFiles: 0 }), walBytes: 65 * MB });
    checks.run({ ...disk({ freeFiles: 0 }), walBytes: 65 * MB });
    checks.run(HEALTHY);
    expect(checks.kinds).toEqual([
      'disk-low',
      'disk-low',
      'wal-large',
      'over: disk-low',
      'over: disk-low',
      'over: wal-large',
    ]);
  });

  test('names the problem, its value, and the fix', () => {
    const checks = new Checks();
    checks.run(disk({ freeBytes: 100 * MB }));
    expect(checks.begun).toEqual([
      {
        topic: 'space /s',
        kind: 'disk-low',
        target: '/s',
        message: 'the disk of stateDir and logs is almost full: 100 MB are free, the limit is 1000 MB',
        hint: expect.stringContaining('monitoring.minFreeDisk'),
      },
    ]);
  });
});

describe('an unknown value', () => {
  test('neither raises nor clears an alarm', () => {
    const checks = new Checks();
    const unknown: HealthSnapshot = { ...disk({ freeBytes: null, freeFiles: null }), walBytes: null };
    checks.run(unknown);
    expect(checks.kinds).toEqual([]);
    checks.run({ ...disk({ freeBytes: 0 }), walBytes: 65 * MB }, unknown);
    expect(checks.kinds).toEqual(['disk-low', 'wal-large']);
  });
});

test('a path that is no longer checked is no longer a problem', () => {
  const checks = new Checks();
  checks.run(disk({ freeBytes: 0 }), disk({ path: '/elsewhere' }));
  expect(checks.kinds).toEqual(['disk-low', 'over: disk-low']);
});

test('too few reports of others, too little time, or disabled posts raise no alarm', () => {
  const checks = new Checks();
  checks.run(
    { ...HEALTHY, reports: { ownAt: null, listenedMs: 9e9, others: 2 } },
    { ...HEALTHY, reports: { ownAt: null, listenedMs: 3_599_999, others: 99 } },
    { ...HEALTHY, reports: null },
  );
  expect(checks.kinds).toEqual([]);
});

test('disabling posts clears the alarm', () => {
  const checks = new Checks();
  checks.run(
    { ...HEALTHY, reports: { ownAt: 1, listenedMs: 9e9, others: 9 } },
    { ...HEALTHY, reports: null },
  );
  expect(checks.kinds).toEqual(['no-reports', 'over: no-reports']);
});

test('new limits apply to the next check', () => {
  const checks = new Checks();
  checks.limits = { ...LIMITS, walBytes: 1 * MB };
  expect(checks.run(HEALTHY).kinds).toEqual(['wal-large']);
});
