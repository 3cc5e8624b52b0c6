/**
 * Problems that build up slowly raise one alarm, and clear it once, even if the daemon dies repeatedly.
 */
import { describe, expect, test } from 'vitest';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { CiHarness, type CiHarnessOptions } from './ci-harness.ts';
import { comment, created } from './gerrit-events.ts';
import { violations } from './violations.ts';

const HOUR = 3_600_000;
const INTERVAL = 600_000;
const LIMITS = {
  diskFreeBytes: 1_000,
  diskFreeFiles: 10,
  walBytes: 1_000,
  maxSilenceMs: 3 * HOUR,
  minOtherReports: 3,
};
const MONITORING: NonNullable<CiHarnessOptions['monitoring']> = {
  limits: LIMITS,
  intervalMs: INTERVAL,
  reports: true,
};

async function started(options: CiHarnessOptions = {}, crashAt: readonly number[] = []): Promise<CiHarness> {
  const ci = new CiHarness({ monitoring: MONITORING, ...options });
  ci.crashAt = crashAt;
  await ci.start();
  return ci;
}

/** Advances the clock, and restarts a daemon that dies meanwhile. */
async function pass(ci: CiHarness, ms: number): Promise<void> {
  const end = ci.clock.now() + ms;
  await ci.run(() => ci.clock.now() >= end && ci.isIdle);
}

/** The alarms, without repetitions by a daemon that died before it recorded the alarm. */
function alarmsOf(ci: CiHarness): readonly string[] {
  const all = ci.alarms.raised.map(({ kind, cleared }) => (cleared === true ? `over: ${kind}` : kind));
  return all.filter((text, index) => text !== all[index - 1]);
}

function problems(ci: CiHarness): number | undefined {
  return ci.store.health()?.problems.length;
}

/** Another CI reports on a change of our projects every hour. */
async function othersReport(ci: CiHarness, hours: number, who = 'zuul'): Promise<void> {
  for (let hour = 0; hour < hours; hour += 1) {
    ci.emit(comment('Build succeeded.', who, 500 + Math.floor((ci.clock.now() / HOUR) % 1_000)));
    await pass(ci, HOUR);
  }
}

describe('a disk that fills up', () => {
  async function story(ci: CiHarness): Promise<void> {
    ci.metrics.setFreeBytes(500);
    await pass(ci, 2 * INTERVAL);
    // A little more free space does not clear the alarm.
    ci.metrics.setFreeBytes(1_100);
    await pass(ci, 2 * INTERVAL);
    ci.metrics.setFreeBytes(null);
    await pass(ci, 2 * INTERVAL);
    expect(problems(ci)).toBe(1);
    ci.metrics.setFreeBytes(5_000);
    await pass(ci, 2 * INTERVAL);
    expect(problems(ci)).toBe(0);
  }

  test('is reported once, and once when there is space again; no check is a row of the log', async () => {
    const ci = await started();
    await story(ci);
    expect(ci.alarms.raised).toMatchObject([
      { kind: 'disk-low', target: '/state', message: expect.stringContaining('stateDir') },
      { kind: 'disk-low', target: '/state', cleared: true, hint: '' },
    ]);
    expect([...ci.store.histories()].sort()).toEqual(['stream', 'voting']);
    expect(ci.metrics.reads).toBeGreaterThanOrEqual(8);
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });

  test('is reported the same way after a crash at any point', LONG, async () => {
    const undisturbed = await started();
    await story(undisturbed);
    undisturbed.store.close();
    for (const point of crashPoints(undisturbed.points)) {
      const ci = await started({}, [point]);
      await story(ci);
      expect([point, alarmsOf(ci), violations(ci)]).toEqual([point, ['disk-low', 'over: disk-low'], []]);
      ci.store.close();
    }
  });

  test('is detected by the next daemon', async () => {
    const ci = await started();
    ci.daemon.life.end();
    ci.metrics.setFreeBytes(1);
    await ci.restart();
    await ci.run();
    expect(alarmsOf(ci)).toEqual(['disk-low']);
    ci.store.close();
  });
});

describe('missing reports', () => {
  test('while other CIs report: an alarm after the configured time, cleared by our next report', async () => {
    const ci = await started();
    await othersReport(ci, 2);
    expect(alarmsOf(ci)).toEqual([]);
    await othersReport(ci, 3);
    expect(ci.alarms.raised).toMatchObject([
      { kind: 'no-reports', message: expect.stringMatching(/this CI has not reported yet: .* times/) },
    ]);
    ci.emit(created(1));
    await pass(ci, HOUR);
    expect(alarmsOf(ci)).toEqual(['no-reports', 'over: no-reports']);
    await othersReport(ci, 2);
    expect(alarmsOf(ci).length).toBe(2);
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });

  test('raise no alarm when only people or our own account comment, and when posting is disabled', async () => {
    for (const who of ['alice', 'acme-ci']) {
      const ci = await started({ rules: { account: 'acme-ci' } });
      await othersReport(ci, 6, who);
      expect([who, alarmsOf(ci)]).toEqual([who, []]);
      ci.store.close();
    }
    const silent = await started();
    await pass(silent, 6 * HOUR);
    const monitor = await started({ monitoring: { limits: LIMITS, intervalMs: INTERVAL, reports: false } });
    await othersReport(monitor, 6);
    expect([alarmsOf(silent), alarmsOf(monitor)]).toEqual([[], []]);
    silent.store.close();
    monitor.store.close();
  });

  test('do not count time without the stream, and continue to count after a restart', async () => {
    const ci = await started();
    await othersReport(ci, 2);
    ci.daemon.stream?.disconnect({ why: 'gone', hint: '', permanent: false });
    await ci.clock.advance(10 * HOUR);
    await ci.untilIdle();
    ci.daemon.stream?.reconnect();
    await ci.run();
    expect(alarmsOf(ci).filter((text) => text === 'no-reports')).toEqual([]);
    await ci.restart();
    await othersReport(ci, 1);
    expect(alarmsOf(ci).filter((text) => text === 'no-reports')).toEqual([]);
    await othersReport(ci, 2);
    expect(alarmsOf(ci).filter((text) => text === 'no-reports')).toEqual(['no-reports']);
    ci.store.close();
  });
});

test('changed limits apply right after a restart', async () => {
  const ci = await started();
  ci.metrics.setFreeBytes(1_500);
  await pass(ci, INTERVAL);
  expect(alarmsOf(ci)).toEqual([]);
  ci.daemon.life.end();
  const options = { monitoring: { ...MONITORING, limits: { ...LIMITS, diskFreeBytes: 2_000 } } };
  const next = Object.assign(ci, { options: { ...ci.options, ...options } });
  await next.restart();
  await next.run();
  expect(alarmsOf(next)).toEqual(['disk-low']);
  expect(next.store.health()?.limits.diskFreeBytes).toBe(2_000);
  next.store.close();
});
