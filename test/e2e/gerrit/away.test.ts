/** What happened on Gerrit while no daemon ran, or while it could not hear, is found out and done, each thing once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig?.stop());

test('three changes, a recheck, an abandon and a merge while the daemon is down', async () => {
  const one = await rig.newCase({ testing: 'case $SOS_CI_PATCHSET in 1) wait_for_go;; esac\npass\n' });
  const checkout = one.checkout();
  const [dev, admin] = [rig.gerrit.as('dev'), rig.gerrit.as('admin')];
  // Nothing from before the first start is ours: this one stays untested.
  const before = await checkout.push();
  const first = await one.startDaemon();
  const rechecked = await checkout.push();
  await one.eventually('it runs', () => one.ledger('testing').length === 1);
  one.go();
  await one.reported(rechecked);
  const running = await checkout.push({ files: { README: 'runs while the daemon is down\n' } });
  await one.reported(running);
  expect(await first.stop()).toBe(0);

  const pushed = [await checkout.push(), await checkout.push(), await checkout.push()];
  await dev.say(rechecked, 'recheck');
  const abandoned = await checkout.push();
  await dev.abandon(abandoned);
  const merged = await checkout.push({ files: { 'merged-file': 'merged\n' } });
  await admin.merge(merged);

  const second = await one.startDaemon();
  for (const change of pushed) await one.reported(change);
  await one.reported(rechecked, 2);
  await one.settled(6);
  expect(await second.stop()).toBe(0);
  const counts = async (changes: readonly number[]) =>
    Promise.all(changes.map(async (change) => (await one.messages(change)).length));
  expect(await counts(pushed)).toEqual([1, 1, 1]);
  expect(await counts([rechecked, running, before, abandoned, merged])).toEqual([2, 1, 0, 0, 0]);
  expect(one.ledger('testing')).toHaveLength(6);
});

test('a running job whose change is abandoned while the daemon is down is ended, and nothing is posted', async () => {
  const one = await rig.newCase({ testing: 'wait_for_go\npass\n' });
  const first = await one.startDaemon();
  const change = await one.checkout().push();
  await one.eventually('it runs', () => one.ledger('testing').length === 1);
  await first.kill();
  await rig.gerrit.as('dev').abandon(change);
  const second = await one.startDaemon();
  await one.settled();
  expect(await one.messages(change)).toEqual([]);
  expect(await second.stop()).toBe(0);
});

test('a running job whose change gets a new patchset while the daemon is down is superseded', async () => {
  const one = await rig.newCase({ testing: 'if [ "$SOS_CI_PATCHSET" = 1 ]; then sleep 600; fi\npass\n' });
  const first = await one.startDaemon();
  const change = await one.checkout().push();
  await one.eventually('it runs', () => one.ledger('testing').length === 1);
  await first.kill();
  await one.checkout().amend({ README: 'a second patchset\n' });
  const second = await one.startDaemon();
  const [message] = await one.reported(change);
  await one.settled(2);
  expect(message?.patchset).toBe(2);
  expect(await one.messages(change)).toHaveLength(1);
  expect(await second.stop()).toBe(0);
});

test('pushes from the moment of the start on are all tested, once each', async () => {
  const one = await rig.newCase({ nodes: 2 });
  const warm = await one.startDaemon();
  expect(await warm.stop()).toBe(0);
  const daemon = one.spawnDaemon();
  const changes = [];
  for (let pushes = 0; pushes < 6; pushes += 1) changes.push(await one.checkout().push());
  for (const change of changes) await one.reported(change);
  await one.settled(changes.length);
  for (const change of changes) expect(await one.messages(change)).toHaveLength(1);
  expect(one.ledger('testing')).toHaveLength(changes.length);
  expect(await daemon.stop()).toBe(0);
});

test('eight rechecks within seconds, and a restart among them, start no more than one run at a time each', async () => {
  const one = await rig.newCase();
  const first = await one.startDaemon();
  const change = await one.checkout().push();
  await one.reported(change);
  const dev = rig.gerrit.as('dev');
  for (let asked = 0; asked < 4; asked += 1) await dev.say(change, 'recheck');
  await first.kill();
  for (let asked = 0; asked < 4; asked += 1) await dev.say(change, 'recheck');
  const second = await one.startDaemon();
  await one.settled(2);
  const messages = await one.messages(change);
  const lines = messages.map(({ text }) => text.split('\n')[2]);
  expect(messages.length).toBeGreaterThan(1);
  expect(messages.length).toBeLessThanOrEqual(9);
  expect(new Set(lines.map((line) => line?.slice(0, 15)))).toEqual(new Set(['Build succeeded']));
  // One message for one run: no run has said two things.
  expect(new Set(messages.map(({ text }) => text)).size).toBe(messages.length);
  expect(await second.stop()).toBe(0);
});
