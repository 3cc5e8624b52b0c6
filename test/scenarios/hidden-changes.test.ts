/**
 * A change becomes work in progress right after the upload: its patchset is rejected at the lookup, and started once
 * when it is ready.
 */
import { describe, expect, test } from 'vitest';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import type { TriggerRules } from '../../src/machines/trigger/trigger.ts';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { PATCHSET } from '../machines/facts.ts';
import { jobRules } from '../machines/rule-facts.ts';
import { CiHarness } from './ci-harness.ts';
import { created, FIRST, ready } from './gerrit-events.ts';
import { violations } from './violations.ts';

const shown = { ...PATCHSET, change: FIRST, patchset: 1, ref: `refs/changes/${FIRST % 100}/${FIRST}/1` };
const show = (ci: CiHarness, wip: boolean) => ci.changes.show(shown, { wip, status: 'open' });
const verdicts = (ci: CiHarness) => ci.jobs().map(({ verdict }) => verdict);

async function refused(
  crashAt: readonly number[] = [],
  rules: Partial<TriggerRules> = {},
): Promise<CiHarness> {
  const ci = new CiHarness({ rules });
  ci.crashAt = crashAt;
  await ci.start();
  show(ci, true);
  ci.emit(created());
  await ci.run();
  return ci;
}

async function becomesReady(ci: CiHarness): Promise<void> {
  show(ci, false);
  ci.emit(ready());
  await ci.run();
}

test('a hidden change is started when it is ready, and not again', async () => {
  const ci = await refused();
  expect([verdicts(ci), ci.reviewer.posted]).toEqual([['ABORTED'], []]);
  await becomesReady(ci);
  expect(verdicts(ci)).toEqual(['ABORTED', 'SUCCESS']);
  expect(ci.reviewer.posted).toHaveLength(1);
  await becomesReady(ci);
  expect(verdicts(ci)).toHaveLength(2);
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});

test('hidden and ignored again, it is started when it is finally ready', async () => {
  const ci = await refused();
  ci.emit(ready());
  await ci.run();
  expect(verdicts(ci)).toEqual(['ABORTED', 'ABORTED']);
  await becomesReady(ci);
  expect(verdicts(ci)).toEqual(['ABORTED', 'ABORTED', 'SUCCESS']);
  ci.store.close();
});

test('during a downtime, it is found by the catch-up, once', async () => {
  const ci = await refused();
  ci.daemon.life.end();
  show(ci, false);
  ci.emit(ready());
  await ci.restart();
  await ci.run();
  expect(verdicts(ci)).toEqual(['ABORTED', 'SUCCESS']);
  await ci.restart();
  await ci.run();
  expect(verdicts(ci)).toHaveLength(2);
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});

test('after a crash at any point, it is started once', LONG, async () => {
  const undisturbed = await refused();
  await becomesReady(undisturbed);
  undisturbed.store.close();
  for (const point of crashPoints(undisturbed.points, (_, index) => index % 3 === 0)) {
    const ci = await refused([point]);
    await becomesReady(ci);
    expect([point, verdicts(ci), ci.reviewer.posted.length, violations(ci)]).toEqual([
      point,
      ['ABORTED', 'SUCCESS'],
      1,
      [],
    ]);
    ci.store.close();
  }
});

describe('a silent stream', () => {
  const outages = (ci: CiHarness) =>
    [...ci.store.log()].filter(({ type }) => type === 'stream.disconnected').length;

  test('is not restarted for a change that no job tests when it is ready', async () => {
    const ci = await refused([], { jobs: [jobRules({ triggers: ['patchset'] })] });
    await becomesReady(ci);
    ci.daemon.stream?.reportSilence();
    await ci.run();
    expect([verdicts(ci), outages(ci)]).toEqual([['ABORTED'], 0]);
    ci.store.close();
  });

  test('is restarted when it has not reported that a change is ready', async () => {
    const ci = new CiHarness();
    await ci.start();
    ci.emit({ ...created(), wip: true } as GerritEvent);
    await ci.run();
    const at = Math.floor(ci.clock.now() / 1_000) * 1_000;
    ci.past.say({ ...ready(), at } as GerritEvent);
    ci.daemon.stream?.reportSilence();
    await ci.run();
    expect([verdicts(ci), outages(ci)]).toEqual([['SUCCESS'], 1]);
    ci.store.close();
  });
});

test('a tested patchset is not tested again because its change was hidden and shown', async () => {
  const ci = new CiHarness();
  await ci.start();
  ci.emit(created());
  await ci.run();
  await becomesReady(ci);
  expect(verdicts(ci)).toEqual(['SUCCESS']);
  ci.store.close();
});
