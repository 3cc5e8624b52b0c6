/** Events that are missing or incomplete in the stream are found in Gerrit's history. */
import { expect, test } from 'vitest';
import type { TriggerRules } from '../../src/machines/trigger/trigger.ts';
import { CiHarness } from './ci-harness.ts';
import { abandoned, comment, created, FIRST, ready, restored } from './gerrit-events.ts';
import { violations } from './violations.ts';

const verdicts = (ci: CiHarness) => ci.jobs().map(({ verdict }) => verdict);

async function listening(rules: Partial<TriggerRules> = {}): Promise<CiHarness> {
  const ci = new CiHarness({ slots: 1, rules });
  await ci.start();
  await ci.run();
  return ci;
}

/** Lets an event happen in Gerrit now that the stream does not send. */
function happens(ci: CiHarness, event: ReturnType<typeof created>): void {
  const at = Math.floor(ci.clock.now() / 1_000) * 1_000;
  ci.past.say({ ...event, ...('at' in event ? { at } : {}) });
}

test('a patchset whose line exceeded the limit is tested, once', async () => {
  const ci = await listening();
  happens(ci, created());
  ci.daemon.stream?.sendInvalidLine({ reason: 'not-json', sample: '' });
  await ci.run();
  expect(verdicts(ci)).toEqual([]);
  for (let lines = 0; lines < 3; lines += 1) {
    ci.daemon.stream?.sendInvalidLine({ reason: 'overlong', sample: '{"type', unread: true });
    await ci.run();
  }
  expect(verdicts(ci)).toEqual(['SUCCESS']);
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});

test('a daemon that dies before it has queried for an overlong line does so after its restart', async () => {
  const ci = await listening();
  happens(ci, created());
  ci.past.calls.holdNext('answer', 'read');
  ci.daemon.stream?.sendInvalidLine({ reason: 'overlong', sample: '{"type', unread: true });
  ci.emit(created(FIRST + 1));
  await ci.untilIdle();
  expect(ci.past.calls.held).toBe(1);
  await ci.restart();
  await ci.run();
  expect(verdicts(ci)).toEqual(['SUCCESS', 'SUCCESS']);
  ci.store.close();
});

test('a change that is restored during the query that finds it abandoned is not cancelled', async () => {
  const ci = await listening();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  happens(ci, abandoned());
  ci.past.calls.holdNext('answer', 'read');
  ci.daemon.stream?.sendInvalidLine({ reason: 'overlong', sample: '{"type', unread: true });
  await ci.untilIdle();
  expect(ci.past.calls.held).toBe(1);
  ci.emit(restored());
  await ci.untilIdle();
  ci.past.calls.release();
  await ci.run();
  expect(verdicts(ci)).toEqual(['SUCCESS']);
  ci.store.close();
});

test('a start that waits is dropped when a query finds its change closed', async () => {
  const ci = await listening({ limits: { change: 1, author: 9, project: 9, total: 9 } });
  ci.emit(created());
  await ci.run();
  ci.emit(created(FIRST, 2));
  await ci.untilIdle();
  expect(ci.store.waitingStarts()).toHaveLength(1);
  happens(ci, abandoned());
  ci.daemon.stream?.sendInvalidLine({ reason: 'overlong', sample: '{"type', unread: true });
  await ci.untilIdle();
  expect(ci.store.waitingStarts()).toEqual([]);
  ci.store.close();
});

test('a change that becomes ready in an event without a patchset is tested', async () => {
  const ci = await listening();
  ci.emit({ ...created(), wip: true, type: 'patchset-created', kind: 'REWORK' } as ReturnType<
    typeof created
  >);
  await ci.run();
  expect(verdicts(ci)).toEqual([]);
  await ci.clock.advance(60_000);
  happens(ci, ready());
  const { at, patchset, by } = ready() as Extract<ReturnType<typeof ready>, { patchset: unknown }>;
  const about = { at, project: patchset.project, change: FIRST, by } as const;
  ci.emit({ type: 'change-incomplete', name: 'wip-state-changed', ...about });
  await ci.run();
  expect(verdicts(ci)).toEqual(['SUCCESS']);
  ci.store.close();
});

test('events during a downtime are queued oldest first, in any order of the query result', async () => {
  const ci = await listening();
  ci.daemon.life.end();
  const order = [FIRST + 3, FIRST + 1, FIRST + 2];
  happens(ci, created(order[0]));
  await ci.clock.advance(5_000);
  // Gerrit's times are whole seconds: of changes with the same second, the lower number is older.
  happens(ci, created(order[2]));
  happens(ci, created(order[1]));
  await ci.clock.advance(5_000);
  happens(ci, created(FIRST));
  happens(ci, comment('thanks', 'bob', FIRST + 4));
  await ci.clock.advance(5_000);
  happens(ci, created(FIRST + 5));
  await ci.clock.advance(5_000);
  // The earlier comment does not count: the recheck came last.
  happens(ci, comment('recheck', 'bob', FIRST + 4));
  happens(ci, abandoned(FIRST + 9));
  await ci.restart();
  await ci.run();
  expect(ci.jobs().map(({ change }) => change)).toEqual([...order, FIRST, FIRST + 5, FIRST + 4]);
  ci.store.close();
});
