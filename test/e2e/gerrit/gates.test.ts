/** A job that waits for another CI's vote before it begins. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from './rig.ts';
import { sharedGerrit } from './shared-gerrit.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
});
afterAll(() => rig?.stop());

const AFTER_ZUUL = { top: { triggers: { requireVote: 'zuul Verified+1' } } };

test('nothing begins before the vote of the other CI, and the vote begins it once', async () => {
  const one = await rig.newCase(AFTER_ZUUL);
  const daemon = await one.startDaemon();
  const zuul = rig.gerrit.as('zuul');
  const waits = await one.checkout().push();
  const goes = await one.checkout().push();
  await zuul.review(goes, { message: 'Build succeeded.', labels: { Verified: 1 } });
  await one.reported(goes);
  expect(one.ledger('testing').map((line) => line.split(' ')[1])).toEqual([`${goes},1`]);
  // Carries the old vote, and is no new one.
  await zuul.review(goes, { message: 'Something else.' });
  await zuul.review(waits, { message: 'Build succeeded.', labels: { Verified: 1 } });
  await one.reported(waits);
  await one.settled(2);
  expect(await one.messages(goes)).toHaveLength(1);
  expect(one.ledger('testing')).toHaveLength(2);
  expect(await daemon.stop()).toBe(0);
});
