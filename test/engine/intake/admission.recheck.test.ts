/** A recheck that follows our comment while our vote is still read back must not be lost. */
import { expect, test } from 'vitest';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { comment, created } from '../../scenarios/gerrit-events.ts';

async function recheckedIn(state: string, hold: (ci: CiHarness) => void): Promise<CiHarness> {
  const ci = new CiHarness({
    stage: ({ run }) => ({
      afterMs: run.stage === 'testing' ? 60_000 : 1_000,
      outcome: { how: 'exited', code: 0 },
    }),
  });
  hold(ci);
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.store.open().some((stored) => stored.state === state));
  ci.emit(comment('recheck'));
  await ci.untilIdle();
  ci.reviewer.calls.release();
  await ci.run();
  return ci;
}

test('a recheck after our comment, while the vote is read back, starts the jobs again', async () => {
  const ci = await recheckedIn('confirmingVote.readingVotes', ({ reviewer }) =>
    reviewer.calls.holdNext('answer', 'readVotes'),
  );
  expect(ci.jobs()).toHaveLength(2);
  expect(ci.reviewer.posted).toHaveLength(2);
});

test('a recheck of a patchset that is being tested starts nothing', async () => {
  const ci = await recheckedIn('testing.running', () => {});
  expect(ci.jobs()).toHaveLength(1);
  expect(ci.reviewer.posted).toHaveLength(1);
});
