/**
 * Replies on Gerrit's web page: a patchset-level comment, with or without a vote, while the daemon receives the stream
 * and while it is down, on a site whose events include such comments and on a site whose events do not.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestCase } from './case.ts';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

const SETTINGS = { 'event.comment-added.publishPatchSetLevelComment': 'false' };
const SITES = [
  { events: 'with', start: () => Testbed.on(sharedGerrit()) },
  { events: 'without', start: () => Testbed.alone({ settings: SETTINGS }) },
];

const reply = (message: string) => ({ comments: { '/PATCHSET_LEVEL': [{ message }] } });
const inline = (message: string) => ({ comments: { README: [{ line: 1, message }] } });
/** A job that a vote or a comment starts. */
const BY_VOTE = {
  job: { triggers: ['vote', 'recheck'], votes: [{ label: 'Code-Review', value: 1, by: 'dev' }] },
};

describe.each(SITES)('events $events the text of replies', ({ start }) => {
  let testbed: Testbed;
  beforeAll(async () => {
    testbed = await start();
  });
  afterAll(() => testbed?.stop());

  const pushed = (testCase: TestCase) => testCase.checkout().push({ files: { README: 'changed\n' } });
  const tested = (testCase: TestCase) => testCase.ledger('testing').length;

  describe.each(['SSH', 'REST'])('history over %s', (transport) => {
    const newCase = (more: object = {}) =>
      testbed.newCase({ ...more, ...(transport === 'REST' ? { gerrit: testbed.rest() } : {}) });

    test('a recheck is received live and found after a restart, once each; comments on files start nothing', async () => {
      const testCase = await newCase();
      const dev = testbed.gerrit.as('dev');
      const first = await testCase.startDaemon();
      const change = await pushed(testCase);
      await testCase.reported(change, 1);
      await dev.review(change, inline('recheck'));
      await dev.review(change, reply('recheck'));
      await testCase.reported(change, 2);
      await testCase.settled(2);
      expect(await first.stop()).toBe(0);
      await dev.review(change, inline('recheck'));
      await dev.review(change, reply('recheck'));
      const second = await testCase.startDaemon();
      await testCase.reported(change, 3);
      await testCase.settled(3);
      expect(await second.stop()).toBe(0);
      const third = await testCase.startDaemon();
      const last = await pushed(testCase);
      await testCase.reported(last, 1);
      await testCase.settled(4);
      expect([await testCase.messages(change), tested(testCase)]).toEqual([
        expect.objectContaining({ length: 3 }),
        4,
      ]);
      expect(await third.stop()).toBe(0);
    });

    test('a vote in two forms, from the stream and from the history, starts its job once', async () => {
      const testCase = await newCase(BY_VOTE);
      const dev = testbed.gerrit.as('dev');
      const first = await testCase.startDaemon();
      const change = await pushed(testCase);
      await dev.review(change, { labels: { 'Code-Review': 1 }, ...reply('LGTM') });
      await testCase.reported(change, 1);
      await testCase.settled(1);
      await first.kill();
      const second = await testCase.startDaemon();
      await dev.review(change, reply('recheck'));
      await testCase.reported(change, 2);
      await testCase.settled(2);
      expect(tested(testCase)).toBe(2);
      expect(await second.stop()).toBe(0);
      await dev.review(change, { labels: { 'Code-Review': 0 }, ...reply('wait') });
      await dev.review(change, { labels: { 'Code-Review': 1 }, ...reply('LGTM') });
      const third = await testCase.startDaemon();
      await testCase.reported(change, 3);
      await testCase.settled(3);
      expect(tested(testCase)).toBe(3);
      expect(await third.stop()).toBe(0);
    });
  });
});
