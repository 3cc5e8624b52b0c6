/** Events in Gerrit while no daemon ran, or while it had no connection, are found and handled once each. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(() => testbed?.stop());

test.each(['SSH', 'REST'])(
  'three changes, a recheck, an abandon and a merge while the daemon is down, found by %s',
  async (transport) => {
    const testCase = await testbed.newCase({
      nodes: 2,
      // Only REST returns the ids of messages.
      ...(transport === 'REST' ? { gerrit: testbed.rest() } : {}),
    });
    const checkout = testCase.checkout();
    const [dev, admin] = [testbed.gerrit.as('dev'), testbed.gerrit.as('admin')];
    // Changes from before the first start are not tested, so this one is not.
    const before = await checkout.push();
    await testCase.waitUntilStartIsLater();
    const first = await testCase.startDaemon();
    const rechecked = await checkout.push();
    await testCase.reported(rechecked);
    expect(await first.stop()).toBe(0);

    const pushed = [await checkout.push(), await checkout.push(), await checkout.push()];
    await dev.say(rechecked, 'recheck');
    const abandoned = await checkout.push();
    await dev.abandon(abandoned);
    const merged = await checkout.push({ files: { 'merged-file': 'merged\n' } });
    await admin.merge(merged);

    const second = await testCase.startDaemon();
    for (const change of pushed) await testCase.reported(change);
    await testCase.reported(rechecked, 2);
    await testCase.settled(5);
    expect(await second.stop()).toBe(0);
    const counts = async (changes: readonly number[]) =>
      Promise.all(changes.map(async (change) => (await testCase.messages(change)).length));
    expect(await counts(pushed)).toEqual([1, 1, 1]);
    expect(await counts([rechecked, before, abandoned, merged])).toEqual([2, 0, 0, 0]);
    expect(testCase.ledger('testing')).toHaveLength(5);
  },
);

test('running jobs are cancelled if their changes are abandoned, merged or replaced while the daemon is down', async () => {
  const testCase = await testbed.newCase({
    testing: 'if [ "$SOS_CI_PATCHSET" = 1 ]; then sleep 600; fi\npass\n',
    nodes: 3,
  });
  const first = await testCase.startDaemon();
  const checkout = testCase.checkout();
  const abandoned = await checkout.push({ files: { abandoned: '' } });
  const merged = await checkout.push({ files: { merged: '' } });
  const renewed = await checkout.push({ files: { renewed: '' } });
  await testCase.eventually('the jobs run', () => testCase.ledger('testing').length === 3);
  await first.kill();
  await testbed.gerrit.as('dev').abandon(abandoned);
  await testbed.gerrit.as('admin').merge(merged);
  await checkout.amend({ renewed: 'a second patchset\n' });
  const second = await testCase.startDaemon();
  const [message] = await testCase.reported(renewed);
  await testCase.settled(4);
  expect(message?.patchset).toBe(2);
  expect(await testCase.messages(renewed)).toHaveLength(1);
  expect(await testCase.messages(abandoned)).toEqual([]);
  expect(await testCase.messages(merged)).toEqual([]);
  expect(await second.stop()).toBe(0);
});

test('every push since the start of the daemon is tested once', async () => {
  const testCase = await testbed.newCase({ nodes: 2 });
  expect(await (await testCase.startDaemon()).stop()).toBe(0);
  const daemon = testCase.spawnDaemon();
  const changes = [];
  while (changes.length < 6) changes.push(await testCase.checkout().push());
  for (const change of changes) await testCase.reported(change);
  await testCase.settled(changes.length);
  for (const change of changes) expect(await testCase.messages(change)).toHaveLength(1);
  expect(testCase.ledger('testing')).toHaveLength(changes.length);
  expect(await daemon.stop()).toBe(0);
});

test('eight rechecks within seconds while the daemon is killed: each run that the rules allow is posted once', async () => {
  const testCase = await testbed.newCase();
  const first = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  await testCase.reported(change);
  const dev = testbed.gerrit.as('dev');
  for (let count = 0; count < 4; count += 1) await dev.say(change, 'recheck');
  await first.kill();
  for (let count = 0; count < 4; count += 1) await dev.say(change, 'recheck');
  const second = await testCase.startDaemon();
  await testCase.reported(change, 2);
  await testCase.settled(2);
  const texts = (await testCase.messages(change)).map(({ text }) => text);
  expect(texts.length).toBeLessThanOrEqual(9);
  for (const text of texts) expect(text).toMatch(/^Patch Set 1:.*\n\nBuild succeeded/);
  // Each run posted one message, and is in the ledger.
  expect(new Set(texts.map((text) => /^sos-ci review (\S+)$/m.exec(text)?.[1])).size).toBe(texts.length);
  expect(testCase.ledger('testing').length).toBeGreaterThanOrEqual(texts.length);
  expect(await second.stop()).toBe(0);
});
