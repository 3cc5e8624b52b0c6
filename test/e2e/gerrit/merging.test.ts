/** Patches are tested merged with the tip of their branch, together with their dependencies. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(() => testbed?.stop());

test('a change is tested with its dependency in another project', async () => {
  const testing =
    'grep -q "from the library" "$SOS_CI_DEPENDENCIES/$SOS_CI_PROJECT-library/README" || fail\npass\n';
  const testCase = await testbed.newCase({ testing, projects: ['library'] });
  // The library's own job tests nothing.
  testCase.configure({}, { 'unit-2': { testing: { command: ['true'], exitCodeIsResult: true } } });
  const daemon = await testCase.startDaemon();
  const library = await testCase.checkout('library').push({ files: { README: 'from the library\n' } });
  const footer = `Depends-On: ${testbed.gerrit.url}/c/${testCase.projectName('library')}/+/${library}`;
  const change = await testCase.checkout().push({ footer });
  const alone = await testCase.checkout().push();
  const [message] = await testCase.reported(change);
  const [failed] = await testCase.reported(alone);
  await testCase.settled(3);
  expect(message?.text).toContain('Build succeeded');
  expect(failed?.text).toContain('Build failed');
  expect([await testCase.vote(change), await testCase.vote(alone), await testCase.vote(library)]).toEqual([
    1, -1, 1,
  ]);
  expect(await daemon.stop()).toBe(0);
});

test('changes that depend on each other are rejected with a comment', async () => {
  const testCase = await testbed.newCase({ projects: ['library'] });
  const first = await testCase.checkout().push();
  const page = (other: string, change: number) =>
    `Depends-On: ${testbed.gerrit.url}/c/${testCase.projectName(other)}/+/${change}`;
  const second = await testCase.checkout('library').push({ footer: page('', first) });
  await testCase.waitUntilStartIsLater();
  const daemon = await testCase.startDaemon();
  await testCase.checkout().amend({}, page('library', second));
  const [message] = await testCase.reported(first);
  await testCase.settled();
  expect(message?.text).toMatch(/depend/i);
  expect(message?.text).not.toContain(': FAILURE in');
  expect(await testCase.vote(first)).toBe(0);
  expect(testCase.ledger()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a change that depends on a missing one is rejected with a comment', async () => {
  const testCase = await testbed.newCase();
  const daemon = await testCase.startDaemon();
  const missing = `I${'0'.repeat(40)}`;
  const change = await testCase.checkout().push({ footer: `Depends-On: ${missing}` });
  const [message] = await testCase.reported(change);
  await testCase.settled();
  expect(message?.text).toContain(
    `Nothing was tested: it depends on ${missing}, which does not exist or is not visible to this CI.`,
  );
  expect(await testCase.vote(change)).toBe(0);
  expect(testCase.ledger()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a change that conflicts with its branch boots nothing and posts nothing', async () => {
  const testCase = await testbed.newCase();
  const checkout = testCase.checkout();
  const base = await checkout.tip();
  const merged = await checkout.push({ files: { README: 'one thing\n' } });
  await testbed.gerrit.as('admin').merge(merged);
  await testCase.waitUntilStartIsLater();
  const daemon = await testCase.startDaemon();
  const change = await checkout.push({ base, files: { README: 'another thing\n' } });
  const other = await checkout.push({ files: { 'another-file': 'no conflict\n' } });
  await testCase.reported(other);
  await testCase.settled(2);
  expect(testCase.jobs()).toContain(`${change},1 done MERGER_FAILURE`);
  expect(await testCase.messages(change)).toEqual([]);
  expect(testCase.ledger().filter((line) => line.includes(` ${change},`))).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a change that passes on its old base and fails when merged is a failure', async () => {
  const testing = '[ "$(cat limit)" -gt "$(cat used)" ] || fail\npass\n';
  const testCase = await testbed.newCase({ testing });
  const [checkout, admin] = [testCase.checkout(), testbed.gerrit.as('admin')];
  await admin.merge(await checkout.push({ files: { limit: '3\n', used: '1\n' } }));
  const base = await checkout.tip();
  await admin.merge(await checkout.push({ files: { limit: '2\n' } }));
  await testCase.waitUntilStartIsLater();
  const daemon = await testCase.startDaemon();
  const change = await checkout.push({ base, files: { used: '2\n' } });
  expect(await checkout.show('limit')).toBe('3\n');
  const [message] = await testCase.reported(change);
  await testCase.settled();
  expect(message?.text).toContain('Build failed');
  expect(await testCase.vote(change)).toBe(-1);
  expect(await daemon.stop()).toBe(0);
});
