/**
 * What harms slowly: the operator hears of it once, and once when it is over, however often the daemon dies
 * meanwhile.
 */
import { describe, expect, test } from 'vitest';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { comment, created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab, type LabOptions } from './lab.ts';

const HOUR = 3_600_000;
const INTERVAL = 600_000;
const LIMITS = {
  diskFreeBytes: 1_000,
  diskFreeFiles: 10,
  walBytes: 1_000,
  maxSilenceMs: 3 * HOUR,
  minOtherReports: 3,
};
const MONITORING: NonNullable<LabOptions['monitoring']> = {
  limits: LIMITS,
  intervalMs: INTERVAL,
  reports: true,
};

async function started(options: LabOptions = {}, crashAt: readonly number[] = []): Promise<Lab> {
  const lab = new Lab({ monitoring: MONITORING, ...options });
  lab.crashAt = crashAt;
  await lab.start();
  return lab;
}

/** Time goes by, and a daemon that died in it is there again. */
async function pass(lab: Lab, ms: number): Promise<void> {
  const end = lab.clock.now() + ms;
  await lab.run(() => lab.clock.now() >= end && lab.atRest);
}

/** What the operator was told; the same twice in a row may be a daemon that died before it knew. */
function alarmsOf(lab: Lab): readonly string[] {
  const all = lab.alarms.raised.map(({ kind, cleared }) => (cleared === true ? `over: ${kind}` : kind));
  return all.filter((text, index) => text !== all[index - 1]);
}

function problems(lab: Lab): number | undefined {
  return lab.store.health()?.problems.length;
}

/** Others report on what our jobs are for, all the time. */
async function othersReport(lab: Lab, hours: number, who = 'zuul'): Promise<void> {
  for (let hour = 0; hour < hours; hour += 1) {
    lab.say(comment('Build succeeded.', who, 500 + Math.floor((lab.clock.now() / HOUR) % 1_000)));
    await pass(lab, HOUR);
  }
}

describe('a disk that fills up', () => {
  async function story(lab: Lab): Promise<void> {
    lab.metrics.leave(500);
    await pass(lab, 2 * INTERVAL);
    // A little room is not enough to call it over.
    lab.metrics.leave(1_100);
    await pass(lab, 2 * INTERVAL);
    lab.metrics.leave(null);
    await pass(lab, 2 * INTERVAL);
    expect(problems(lab)).toBe(1);
    lab.metrics.leave(5_000);
    await pass(lab, 2 * INTERVAL);
    expect(problems(lab)).toBe(0);
  }

  test('is reported once, and once when there is space again; no check is a row of the log', async () => {
    const lab = await started();
    await story(lab);
    expect(lab.alarms.raised).toMatchObject([
      { kind: 'disk-low', target: '/state', message: expect.stringContaining('stateDir') },
      { kind: 'disk-low', target: '/state', cleared: true, hint: '' },
    ]);
    expect([...lab.store.histories()].sort()).toEqual(['stream', 'voting']);
    expect(lab.metrics.reads).toBeGreaterThanOrEqual(8);
    expect(broken(lab)).toEqual([]);
    lab.store.close();
  });

  test('is reported the same way, wherever the daemon dies', LONG, async () => {
    const undisturbed = await started();
    await story(undisturbed);
    undisturbed.store.close();
    for (const point of crashPoints(undisturbed.points)) {
      const lab = await started({}, [point]);
      await story(lab);
      expect([point, alarmsOf(lab), broken(lab)]).toEqual([point, ['disk-low', 'over: disk-low'], []]);
      lab.store.close();
    }
  });

  test('is detected by the next daemon', async () => {
    const lab = await started();
    lab.daemon.life.end();
    lab.metrics.leave(1);
    await lab.restart();
    await lab.run();
    expect(alarmsOf(lab)).toEqual(['disk-low']);
    lab.store.close();
  });
});

describe('missing reports', () => {
  test('while other CIs report: an alarm after the configured time, cleared by our next report', async () => {
    const lab = await started();
    await othersReport(lab, 2);
    expect(alarmsOf(lab)).toEqual([]);
    await othersReport(lab, 3);
    expect(lab.alarms.raised).toMatchObject([
      { kind: 'no-reports', message: expect.stringMatching(/nothing is reported so far: .* times/) },
    ]);
    lab.say(created(1));
    await pass(lab, HOUR);
    expect(alarmsOf(lab)).toEqual(['no-reports', 'over: no-reports']);
    await othersReport(lab, 2);
    expect(alarmsOf(lab).length).toBe(2);
    expect(broken(lab)).toEqual([]);
    lab.store.close();
  });

  test('raise no alarm when only people or our own account comment, and when posting is disabled', async () => {
    for (const who of ['alice', 'acme-ci']) {
      const lab = await started({ rules: { account: 'acme-ci' } });
      await othersReport(lab, 6, who);
      expect([who, alarmsOf(lab)]).toEqual([who, []]);
      lab.store.close();
    }
    const silent = await started();
    await pass(silent, 6 * HOUR);
    const monitor = await started({ monitoring: { limits: LIMITS, intervalMs: INTERVAL, reports: false } });
    await othersReport(monitor, 6);
    expect([alarmsOf(silent), alarmsOf(monitor)]).toEqual([[], []]);
    silent.store.close();
    monitor.store.close();
  });

  test('count no time in which the stream was down, and continue to count over a restart', async () => {
    const lab = await started();
    await othersReport(lab, 2);
    lab.daemon.stream?.disconnect({ why: 'gone', hint: '', permanent: false });
    await lab.clock.advance(10 * HOUR);
    await lab.untilIdle();
    lab.daemon.stream?.reconnect();
    await lab.run();
    expect(alarmsOf(lab).filter((text) => text === 'no-reports')).toEqual([]);
    await lab.restart();
    await othersReport(lab, 1);
    expect(alarmsOf(lab).filter((text) => text === 'no-reports')).toEqual([]);
    await othersReport(lab, 2);
    expect(alarmsOf(lab).filter((text) => text === 'no-reports')).toEqual(['no-reports']);
    lab.store.close();
  });
});

test('other limits after a restart apply at once', async () => {
  const lab = await started();
  lab.metrics.leave(1_500);
  await pass(lab, INTERVAL);
  expect(alarmsOf(lab)).toEqual([]);
  lab.daemon.life.end();
  const options = { monitoring: { ...MONITORING, limits: { ...LIMITS, diskFreeBytes: 2_000 } } };
  const next = Object.assign(lab, { options: { ...lab.options, ...options } });
  await next.restart();
  await next.run();
  expect(alarmsOf(next)).toEqual(['disk-low']);
  expect(next.store.health()?.limits.diskFreeBytes).toBe(2_000);
  next.store.close();
});
