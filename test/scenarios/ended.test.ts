/**
 * A history ends while one of its effects is in flight, and the daemon dies. The next daemon performs or settles every
 * such effect: none stays pending, and none is performed too late.
 */
import { expect, test } from 'vitest';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { CiHarness, SUCCESSFUL_STAGE } from './ci-harness.ts';
import { isAt, when } from './faults.ts';
import { abandoned, created } from './gerrit-events.ts';

const [REVIEW, JOB] = ['r00001', 'j00002'];
const LONG_MS = 365 * 86_400_000;
const broken: AnyEvent = {
  type: 'machine.quarantine-failed',
  event: 'timer.fired',
  message: 'undefined is not a function',
};

/** The call that hangs, the history that requested it, and the state in which it did. */
const CALLS: readonly (readonly [call: string, history: string, state: string])[] = [
  ['lookUp', REVIEW, 'preparing.lookingUp'],
  ['merge', REVIEW, 'preparing.merging'],
  ['create', JOB, 'booting.creating'],
  ['fetch', JOB, 'stacking.fetching'],
  ['start', JOB, 'testing.running'],
  ['stop', JOB, 'cleanup.awaitingEffects'],
  ['readResults', JOB, 'testing.readingResults'],
  ['collect', JOB, 'publishing.collecting'],
  ['publish', JOB, 'publishing.uploading'],
  ['list', JOB, 'cleanup.deleting'],
  ['discard', JOB, 'cleanup.discarding'],
  ['post', REVIEW, 'posting.sending'],
  ['readVotes', REVIEW, 'confirmingVote.readingVotes'],
];

/** A daemon that dies after the history has ended while this call is in flight. */
async function diedAt(call: string, history: string, state: string): Promise<CiHarness> {
  const ci = new CiHarness();
  let held = false;
  when(ci, isAt(state), () =>
    ci.holdAt(`before ${call}`, LONG_MS, () => {
      held = true;
      void ci.daemon.engine.send(history, broken);
    }),
  );
  if (call === 'stop') when(ci, isAt('testing.running'), () => ci.emit(abandoned()));
  await ci.start();
  ci.emit(created());
  await ci.run(() => held);
  expect(ci.store.stored(history)?.ended).toBe(true);
  await ci.restart();
  return ci;
}

test.each(CALLS)('%s of %s in %s is settled after the restart', async (call, history, state) => {
  const ci = await diedAt(call, history, state);
  await ci.run(() => ci.store.outbox(history).length === 0);
  await ci.run(() => ci.store.outbox().every((owed) => owed.history === 'stream'));
  ci.store.close();
});

test('a start message that was not sent is not sent after the result', async () => {
  const ci = new CiHarness({
    report: { startMessage: true },
    stage: () => ({ ...SUCCESSFUL_STAGE, afterMs: 1_000 }),
  });
  let held = false;
  ci.holdAt('before post', LONG_MS, () => {
    held = true;
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => held && ci.store.review(REVIEW)?.ended === true);
  expect(ci.store.outbox(REVIEW).map(({ effect }) => effect.type)).toEqual(['postStartMessage']);
  await ci.restart();
  await ci.run(() => ci.store.outbox(REVIEW).length === 0);
  expect(ci.reviewer.posted.map(({ run }) => run)).toEqual([REVIEW]);
  ci.store.close();
});

test('neither a result nor evidence of an ended history is published', async () => {
  const posting = await diedAt('post', REVIEW, 'posting.sending');
  await posting.run(() => posting.store.outbox(REVIEW).length === 0);
  expect(posting.reviewer.posted).toEqual([]);
  posting.store.close();
  const publishing = await diedAt('publish', JOB, 'publishing.uploading');
  await publishing.run(() => publishing.store.outbox(JOB).length === 0);
  expect([...publishing.evidence.published.keys()]).toEqual([]);
  publishing.store.close();
});
