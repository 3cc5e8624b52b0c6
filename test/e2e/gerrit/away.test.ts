/** Events in Gerrit while no daemon ran, or while it had no connection, are found and handled once each. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PASSWORD } from '../real-gerrit/seed.ts';
import { Rig } from './rig.ts';
import { sharedGerrit } from './shared-gerrit.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
});
afterAll(() => rig?.stop());

/** Only REST returns the ids of messages. */
function byRest(): Readonly<Record<string, unknown>> {
  const file = join(rig.directory, 'rest-password');
  writeFileSync(file, PASSWORD, { mode: 0o600 });
  return { rest: { url: rig.gerrit.url, password: { file } } };
}

test.each(['SSH', 'REST'])(
  'three changes, a recheck, an abandon and a merge while the daemon is down, found by %s',
  async (transport) => {
    const one = await rig.newCase({ nodes: 2, ...(transport === 'REST' ? { gerrit: byRest() } : {}) });
    const checkout = one.checkout();
    const [dev, admin] = [rig.gerrit.as('dev'), rig.gerrit.as('admin')];
    // Changes from before the first start are not tested, so this one is not.
    const before = await checkout.push();
    await one.becomesPast();
    const first = await one.startDaemon();
    const rechecked = await checkout.push();
    await one.reported(rechecked);
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
    await one.settled(5);
    expect(await second.stop()).toBe(0);
    const counts = async (changes: readonly number[]) =>
      Promise.all(changes.map(async (change) => (await one.messages(change)).length));
    expect(await counts(pushed)).toEqual([1, 1, 1]);
    expect(await counts([rechecked, before, abandoned, merged])).toEqual([2, 0, 0, 0]);
    expect(one.ledger('testing')).toHaveLength(5);
  },
);

test('running jobs are cancelled if their changes are abandoned, merged or replaced while the daemon is down', async () => {
  const one = await rig.newCase({
    testing: 'if [ "$SOS_CI_PATCHSET" = 1 ]; then sleep 600; fi\npass\n',
    nodes: 3,
  });
  const first = await one.startDaemon();
  const checkout = one.checkout();
  const abandoned = await checkout.push({ files: { abandoned: '' } });
  const merged = await checkout.push({ files: { merged: '' } });
  const renewed = await checkout.push({ files: { renewed: '' } });
  await one.eventually('they run', () => one.ledger('testing').length === 3);
  await first.kill();
  await rig.gerrit.as('dev').abandon(abandoned);
  await rig.gerrit.as('admin').merge(merged);
  await checkout.amend({ renewed: 'a second patchset\n' });
  const second = await one.startDaemon();
  const [message] = await one.reported(renewed);
  await one.settled(4);
  expect(message?.patchset).toBe(2);
  expect(await one.messages(renewed)).toHaveLength(1);
  expect(await one.messages(abandoned)).toEqual([]);
  expect(await one.messages(merged)).toEqual([]);
  expect(await second.stop()).toBe(0);
});

test('pushes from the start of the daemon on are all tested, once each', async () => {
  const one = await rig.newCase({ nodes: 2 });
  expect(await (await one.startDaemon()).stop()).toBe(0);
  const daemon = one.spawnDaemon();
  const changes = [];
  while (changes.length < 6) changes.push(await one.checkout().push());
  for (const change of changes) await one.reported(change);
  await one.settled(changes.length);
  for (const change of changes) expect(await one.messages(change)).toHaveLength(1);
  expect(one.ledger('testing')).toHaveLength(changes.length);
  expect(await daemon.stop()).toBe(0);
});

test('eight rechecks within seconds, and a daemon killed between them: each start that the rules allow is posted once', async () => {
  const one = await rig.newCase();
  const first = await one.startDaemon();
  const change = await one.checkout().push();
  await one.reported(change);
  const dev = rig.gerrit.as('dev');
  for (let asked = 0; asked < 4; asked += 1) await dev.say(change, 'recheck');
  await first.kill();
  for (let asked = 0; asked < 4; asked += 1) await dev.say(change, 'recheck');
  const second = await one.startDaemon();
  await one.reported(change, 2);
  await one.settled(2);
  const texts = (await one.messages(change)).map(({ text }) => text);
  expect(texts.length).toBeLessThanOrEqual(9);
  for (const text of texts) expect(text).toMatch(/^Patch Set 1:.*\n\nBuild succeeded/);
  // One message for one run: no run has said two things, and each run is in the ledger.
  expect(new Set(texts.map((text) => /^sos-ci run (\S+)$/m.exec(text)?.[1])).size).toBe(texts.length);
  expect(one.ledger('testing').length).toBeGreaterThanOrEqual(texts.length);
  expect(await second.stop()).toBe(0);
});
