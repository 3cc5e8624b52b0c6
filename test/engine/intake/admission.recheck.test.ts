/** A recheck may answer our comment while our vote is still being read back. It must not be lost. */
import { expect, test } from 'vitest';
import { comment, created } from '../../scenarios/gerrit-says.ts';
import { Lab } from '../../scenarios/lab.ts';

async function recheckedIn(state: string, hold: (lab: Lab) => void): Promise<Lab> {
  const lab = new Lab({
    stage: ({ run }) => ({
      afterMs: run.stage === 'testing' ? 60_000 : 1_000,
      outcome: { how: 'exited', code: 0 },
    }),
  });
  hold(lab);
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.store.open().some((stored) => stored.state === state));
  lab.say(comment('recheck'));
  await lab.untilIdle();
  lab.reviewer.calls.release();
  await lab.run();
  return lab;
}

test('a recheck that answers our comment while the vote is read back starts the jobs again', async () => {
  const lab = await recheckedIn('confirmingVote.readingVotes', ({ reviewer }) =>
    reviewer.calls.holdNext('answer', 'readVotes'),
  );
  expect(lab.jobs()).toHaveLength(2);
  expect(lab.reviewer.posted).toHaveLength(2);
});

test('a recheck of a patchset that is being tested starts nothing', async () => {
  const lab = await recheckedIn('testing.running', () => {});
  expect(lab.jobs()).toHaveLength(1);
  expect(lab.reviewer.posted).toHaveLength(1);
});
