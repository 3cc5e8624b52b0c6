/** Patches are tested merged with the tip of their branch, together with their dependencies. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from './rig.ts';
import { sharedGerrit } from './shared-gerrit.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
});
afterAll(() => rig?.stop());

test('a change is tested with its dependency in another project', async () => {
  const testing =
    'grep -q "from the library" "$SOS_CI_DEPENDENCIES/$SOS_CI_PROJECT-library/README" || fail\npass\n';
  const one = await rig.newCase({ testing, projects: ['library'] });
  // The other project's own job has nothing to look for.
  one.configure({}, { 'unit-2': { testing: { command: ['true'], exitCodeIsResult: true } } });
  const daemon = await one.startDaemon();
  const library = await one.checkout('library').push({ files: { README: 'from the library\n' } });
  const footer = `Depends-On: ${rig.gerrit.url}/c/${one.projectName('library')}/+/${library}`;
  const change = await one.checkout().push({ footer });
  const alone = await one.checkout().push();
  const [message] = await one.reported(change);
  const [failed] = await one.reported(alone);
  await one.settled(3);
  expect(message?.text).toContain('Build succeeded');
  expect(failed?.text).toContain('Build failed');
  expect([await one.vote(change), await one.vote(alone), await one.vote(library)]).toEqual([1, -1, 1]);
  expect(await daemon.stop()).toBe(0);
});

test('changes that depend on each other are rejected with a comment', async () => {
  const one = await rig.newCase({ projects: ['library'] });
  const first = await one.checkout().push();
  const page = (other: string, change: number) =>
    `Depends-On: ${rig.gerrit.url}/c/${one.projectName(other)}/+/${change}`;
  const second = await one.checkout('library').push({ footer: page('', first) });
  await one.becomesPast();
  const daemon = await one.startDaemon();
  await one.checkout().amend({}, page('library', second));
  const [message] = await one.reported(first);
  await one.settled();
  expect(message?.text).toMatch(/depend/i);
  expect(message?.text).not.toContain(': FAILURE in');
  expect(await one.vote(first)).toBe(0);
  expect(one.ledger()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a change that depends on a missing one is rejected with a comment', async () => {
  const one = await rig.newCase();
  const daemon = await one.startDaemon();
  const nobody = `I${'0'.repeat(40)}`;
  const change = await one.checkout().push({ footer: `Depends-On: ${nobody}` });
  const [message] = await one.reported(change);
  await one.settled();
  expect(message?.text).toContain(
    `Nothing was tested: it depends on ${nobody}, which does not exist or is not visible to this CI.`,
  );
  expect(await one.vote(change)).toBe(0);
  expect(one.ledger()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a change that conflicts with its branch boots nothing and posts nothing', async () => {
  const one = await rig.newCase();
  const checkout = one.checkout();
  const base = await checkout.tip();
  const merged = await checkout.push({ files: { README: 'one thing\n' } });
  await rig.gerrit.as('admin').merge(merged);
  await one.becomesPast();
  const daemon = await one.startDaemon();
  const change = await checkout.push({ base, files: { README: 'another thing\n' } });
  const other = await checkout.push({ files: { 'another-file': 'no conflict\n' } });
  await one.reported(other);
  await one.settled(2);
  expect(one.jobs()).toContain(`${change},1 done MERGER_FAILURE`);
  expect(await one.messages(change)).toEqual([]);
  expect(one.ledger().filter((line) => line.includes(` ${change},`))).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a change that passes on its old base and fails when merged is a failure', async () => {
  const testing = '[ "$(cat limit)" -gt "$(cat used)" ] || fail\npass\n';
  const one = await rig.newCase({ testing });
  const [checkout, admin] = [one.checkout(), rig.gerrit.as('admin')];
  await admin.merge(await checkout.push({ files: { limit: '3\n', used: '1\n' } }));
  const base = await checkout.tip();
  await admin.merge(await checkout.push({ files: { limit: '2\n' } }));
  await one.becomesPast();
  const daemon = await one.startDaemon();
  const change = await checkout.push({ base, files: { used: '2\n' } });
  expect(await checkout.show('limit')).toBe('3\n');
  const [message] = await one.reported(change);
  await one.settled();
  expect(message?.text).toContain('Build failed');
  expect(await one.vote(change)).toBe(-1);
  expect(await daemon.stop()).toBe(0);
});
