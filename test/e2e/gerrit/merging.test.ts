/** Patches are tested merged on the tip of their branch, together with what they depend on. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from './rig.ts';

const MERGED = { prepare: { merge: true } };

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig?.stop());

test('a change is tested with the change of another project that it depends on', async () => {
  const testing = 'grep -q "from the library" "$SOS_CI_DEPENDENCIES/case-1-library/README" || fail\npass\n';
  const one = await rig.newCase({ testing, projects: ['case-1-library'], top: MERGED, job: {} });
  const daemon = await one.startDaemon();
  const library = await one.checkout('case-1-library').push({ files: { README: 'from the library\n' } });
  const footer = `Depends-On: ${rig.gerrit.url}/c/case-1-library/+/${library}`;
  const change = await one.checkout().push({ footer });
  const [message] = await one.reported(change);
  expect(message?.text).toContain('Build succeeded');
  expect(await one.vote(change)).toBe(1);
  const alone = await one.checkout().push();
  const [failed] = await one.reported(alone);
  expect(failed?.text).toContain('Build failed');
  await one.settled(3);
  expect(await daemon.stop()).toBe(0);
});

test('changes that depend on each other are refused with a comment that says so', async () => {
  const one = await rig.newCase({ projects: ['case-2-library'], top: MERGED });
  const first = await one.checkout().push();
  const url = `${rig.gerrit.url}/c/case-2/+/${first}`;
  const second = await one.checkout('case-2-library').push({ footer: `Depends-On: ${url}` });
  const daemon = await one.startDaemon();
  await one.checkout().amend({}, `Depends-On: ${rig.gerrit.url}/c/case-2-library/+/${second}`);
  const [message] = await one.reported(first);
  await one.settled();
  expect(message?.text).toMatch(/depend/i);
  expect(message?.text).not.toContain('FAILURE in');
  expect(await one.vote(first)).toBe(0);
  expect(one.ledger()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a change that conflicts with its branch boots nothing and posts nothing', async () => {
  const one = await rig.newCase({ top: MERGED });
  const checkout = one.checkout();
  const merged = await checkout.push({ files: { README: 'one thing\n' } });
  await rig.gerrit.as('admin').merge(merged);
  const daemon = await one.startDaemon();
  const change = await checkout.push({ base: 'FETCH_HEAD~1', files: { README: 'another thing\n' } });
  await one.settled();
  expect(one.jobs()).toEqual([`${change},1 done MERGER_FAILURE`]);
  expect(await one.messages(change)).toEqual([]);
  expect(one.ledger()).toEqual([]);
  const other = await checkout.push({ files: { 'another-file': 'no conflict\n' } });
  await one.reported(other);
  expect(await daemon.stop()).toBe(0);
});

test('a change that is green on its old base and red when merged is red', async () => {
  const testing = '[ "$(cat limit)" -gt "$(cat used)" ] || fail\npass\n';
  const one = await rig.newCase({ testing, top: MERGED });
  const checkout = one.checkout();
  const base = await checkout.push({ files: { limit: '3\n', used: '1\n' } });
  await rig.gerrit.as('admin').merge(base);
  const lower = await checkout.push({ files: { limit: '2\n' } });
  await rig.gerrit.as('admin').merge(lower);
  const daemon = await one.startDaemon();
  await checkout.git('fetch', '--quiet', 'origin', 'master');
  const change = await checkout.push({ base: 'FETCH_HEAD~1', files: { used: '2\n' } });
  const [message] = await one.reported(change);
  await one.settled();
  expect(message?.text).toContain('Build failed');
  expect(await one.vote(change)).toBe(-1);
  expect(await daemon.stop()).toBe(0);
});
