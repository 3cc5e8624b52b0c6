/** A job that starts after another CI's vote. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(() => testbed?.stop());

const AFTER_ZUUL = { top: { triggers: { requireVote: 'zuul Verified+1' } } };

test('no job starts before the vote of the other CI, and the vote starts it once', async () => {
  const testCase = await testbed.newCase(AFTER_ZUUL);
  const daemon = await testCase.startDaemon();
  const zuul = testbed.gerrit.as('zuul');
  const waits = await testCase.checkout().push();
  const goes = await testCase.checkout().push();
  await zuul.review(goes, { message: 'Build succeeded.', labels: { Verified: 1 } });
  await testCase.reported(goes);
  expect(testCase.ledger('testing').map((line) => line.split(' ')[1])).toEqual([`${goes},1`]);
  // The event carries the existing vote, which is not a new one.
  await zuul.review(goes, { message: 'Something else.' });
  await zuul.review(waits, { message: 'Build succeeded.', labels: { Verified: 1 } });
  await testCase.reported(waits);
  await testCase.settled(2);
  expect(await testCase.messages(goes)).toHaveLength(1);
  expect(testCase.ledger('testing')).toHaveLength(2);
  expect(await daemon.stop()).toBe(0);
});
