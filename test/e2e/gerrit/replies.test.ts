/**
 * Replies on Gerrit's web page: a patchset-level comment, with or without a vote, while the daemon hears the stream and while it
 * is down, on a site that shows such comments in its events and on one that does not.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD } from '../real-gerrit/seed.ts';
import type { Case } from './case.ts';
import { Rig } from './rig.ts';
import { sharedGerrit } from './shared-gerrit.ts';

const SETTINGS = { 'event.comment-added.publishPatchSetLevelComment': 'false' };
const SITES = [
  { events: 'with', begin: () => Rig.on(sharedGerrit()) },
  { events: 'without', begin: silentSite },
];
async function silentSite(): Promise<Rig> {
  const rig = await Rig.alone();
  await rig.gerrit.set(SETTINGS);
  await rig.gerrit.stop();
  await rig.gerrit.start();
  return rig;
}

const reply = (message: string) => ({ comments: { '/PATCHSET_LEVEL': [{ message }] } });
const inline = (message: string) => ({ comments: { README: [{ line: 1, message }] } });
/** A job that a vote starts, and a comment. */
const BY_VOTE = {
  job: { triggers: ['vote', 'recheck'], votes: [{ label: 'Code-Review', value: 1, by: 'dev' }] },
};

describe.each(SITES)('events $events the text of replies', ({ begin }) => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await begin();
  });
  afterAll(() => rig?.stop());

  const rest = () => {
    const file = join(rig.directory, 'rest-password');
    writeFileSync(file, PASSWORD, { mode: 0o600 });
    return { rest: { url: rig.gerrit.url, password: { file } } };
  };
  const pushed = (one: Case) => one.checkout().push({ files: { README: 'changed\n' } });
  const tested = (one: Case) => one.ledger('testing').length;

  describe.each(['SSH', 'REST'])('history over %s', (transport) => {
    const newCase = (more: object = {}) =>
      rig.newCase({ ...more, ...(transport === 'REST' ? { gerrit: rest() } : {}) });

    test('a recheck is received live and found after a restart, once each; comments on files start nothing', async () => {
      const one = await newCase();
      const dev = rig.gerrit.as('dev');
      const first = await one.startDaemon();
      const change = await pushed(one);
      await one.reported(change, 1);
      await dev.review(change, inline('recheck'));
      await dev.review(change, reply('recheck'));
      await one.reported(change, 2);
      await one.settled(2);
      expect(await first.stop()).toBe(0);
      await dev.review(change, inline('recheck'));
      await dev.review(change, reply('recheck'));
      const second = await one.startDaemon();
      await one.reported(change, 3);
      await one.settled(3);
      expect(await second.stop()).toBe(0);
      const third = await one.startDaemon();
      const last = await pushed(one);
      await one.reported(last, 1);
      await one.settled(4);
      expect([await one.messages(change), tested(one)]).toEqual([expect.objectContaining({ length: 3 }), 4]);
      expect(await third.stop()).toBe(0);
    });

    test('a vote in two forms, from the stream and from the history, starts its job once', async () => {
      const one = await newCase(BY_VOTE);
      const dev = rig.gerrit.as('dev');
      const first = await one.startDaemon();
      const change = await pushed(one);
      await dev.review(change, { labels: { 'Code-Review': 1 }, ...reply('LGTM') });
      await one.reported(change, 1);
      await one.settled(1);
      await first.kill();
      const second = await one.startDaemon();
      await dev.review(change, reply('recheck'));
      await one.reported(change, 2);
      await one.settled(2);
      expect(tested(one)).toBe(2);
      expect(await second.stop()).toBe(0);
      await dev.review(change, { labels: { 'Code-Review': 0 }, ...reply('wait') });
      await dev.review(change, { labels: { 'Code-Review': 1 }, ...reply('LGTM') });
      const third = await one.startDaemon();
      await one.reported(change, 3);
      await one.settled(3);
      expect(tested(one)).toBe(3);
      expect(await third.stop()).toBe(0);
    });
  });
});
