/** Jobs without a request wait for the vote of another CI; requested jobs do not. */
import { expect, test } from 'vitest';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import { jobRules } from '../../machines/rule-facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { comment, created } from '../../scenarios/gerrit-events.ts';

const REQUIRED_VOTE = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 4 * 3_600_000 };

/** A vote that the comment casts; with null as the old value, an existing vote that it repeats. */
function verified(value: number, oldValue: number | null = 0): GerritEvent {
  const event = comment('Build succeeded (check pipeline).', 'zuul');
  if (event.type !== 'comment-added') throw new Error(event.type);
  return { ...event, approvals: [{ label: 'Verified', value, oldValue }] };
}

async function waiting(): Promise<CiHarness> {
  const ci = new CiHarness({ rules: { jobs: [jobRules({ requiredVote: REQUIRED_VOTE })] } });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.store.open().some(({ state }) => state === 'preparing.awaitingVote'));
  expect(ci.provider.created).toBe(0);
  return ci;
}

test('jobs start when the vote is cast', async () => {
  const ci = await waiting();
  const before = ci.clock.now();
  ci.emit(verified(1));
  await ci.run();
  expect(ci.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS']);
  expect(ci.clock.now() - before).toBeLessThan(REQUIRED_VOTE.timeoutMs);
});

test('jobs start without the vote after the timeout', async () => {
  const ci = await waiting();
  await ci.run();
  expect(ci.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS']);
  expect(ci.reviewer.posted).toHaveLength(1);
});

test('a vote against the patch cancels them without a comment', async () => {
  const ci = await waiting();
  ci.emit(verified(-1));
  await ci.run();
  expect(ci.jobs().map(({ verdict }) => verdict)).toEqual(['ABORTED']);
  expect([ci.reviewer.posted, ci.provider.created]).toEqual([[], 0]);
});

test('a repeated vote, and the votes of others, change nothing', async () => {
  const ci = await waiting();
  ci.emit(verified(1, null));
  ci.emit({ ...verified(1), by: { username: 'alice', name: 'Alice', email: '' } } as GerritEvent);
  await ci.untilIdle();
  expect(ci.store.open().map(({ state }) => state)).toContain('preparing.awaitingVote');
});

test('a recheck while they wait starts nothing, and one afterwards does not wait', async () => {
  const ci = await waiting();
  ci.emit(comment('recheck'));
  await ci.untilIdle();
  expect(ci.jobs()).toHaveLength(1);
  ci.emit(verified(-1));
  await ci.run();
  const before = ci.clock.now();
  ci.emit({ ...comment('recheck'), at: 1_767_323_099_000 } as GerritEvent);
  await ci.run();
  expect(ci.jobs().map(({ verdict }) => verdict)).toEqual(['ABORTED', 'SUCCESS']);
  expect(ci.clock.now() - before).toBeLessThan(REQUIRED_VOTE.timeoutMs);
});
