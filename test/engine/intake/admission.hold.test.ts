/** Jobs without a request wait for the vote of another CI; requested jobs do not. */
import { expect, test } from 'vitest';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import { jobRules } from '../../machines/rule-facts.ts';
import { comment, created } from '../../scenarios/gerrit-says.ts';
import { Lab } from '../../scenarios/lab.ts';

const HOLD = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 4 * 3_600_000 };

/** A vote that is cast now; with null as the old value, one that is only repeated. */
function verified(value: number, oldValue: number | null = 0): GerritEvent {
  const event = comment('Build succeeded (check pipeline).', 'zuul');
  if (event.type !== 'comment-added') throw new Error(event.type);
  return { ...event, approvals: [{ label: 'Verified', value, oldValue }] };
}

async function holding(): Promise<Lab> {
  const lab = new Lab({ rules: { jobs: [jobRules({ hold: HOLD })] } });
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.store.open().some(({ state }) => state === 'preparing.awaitingVote'));
  expect(lab.provider.created).toBe(0);
  return lab;
}

test('they start when it is cast', async () => {
  const lab = await holding();
  const before = lab.clock.now();
  lab.say(verified(1));
  await lab.run();
  expect(lab.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS']);
  expect(lab.clock.now() - before).toBeLessThan(HOLD.timeoutMs);
});

test('they start without it after the timeout', async () => {
  const lab = await holding();
  await lab.run();
  expect(lab.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS']);
  expect(lab.reviewer.posted).toHaveLength(1);
});

test('a vote against the patch cancels them without a comment', async () => {
  const lab = await holding();
  lab.say(verified(-1));
  await lab.run();
  expect(lab.jobs().map(({ verdict }) => verdict)).toEqual(['ABORTED']);
  expect([lab.reviewer.posted, lab.provider.created]).toEqual([[], 0]);
});

test('a repeated vote, and the votes of others, change nothing', async () => {
  const lab = await holding();
  lab.say(verified(1, null));
  lab.say({ ...verified(1), by: { username: 'alice', name: 'Alice', email: '' } } as GerritEvent);
  await lab.untilIdle();
  expect(lab.store.open().map(({ state }) => state)).toContain('preparing.awaitingVote');
});

test('a recheck while they wait starts nothing, and one afterwards does not wait', async () => {
  const lab = await holding();
  lab.say(comment('recheck'));
  await lab.untilIdle();
  expect(lab.jobs()).toHaveLength(1);
  lab.say(verified(-1));
  await lab.run();
  const before = lab.clock.now();
  lab.say({ ...comment('recheck'), at: 1_767_323_099_000 } as GerritEvent);
  await lab.run();
  expect(lab.jobs().map(({ verdict }) => verdict)).toEqual(['ABORTED', 'SUCCESS']);
  expect(lab.clock.now() - before).toBeLessThan(HOLD.timeoutMs);
});
