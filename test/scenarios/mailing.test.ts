/** The mail at a review's end, with a daemon that dies at every point of it: it comes, a second one is known as the same, and nothing waits for it. */
import { expect, test } from 'vitest';
import type { MailSpec } from '../../src/machines/review/mail.ts';
import { FAILED, START } from '../machines/facts.ts';
import { created, FIRST } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
import { storyTests } from './telling.ts';
import { bent, outage } from './trouble.ts';

const mail: MailSpec = {
  to: ['ci@acme.example'],
  on: 'failure',
  attempts: 5,
  retryMs: 600_000,
  timeoutMs: 30_000,
};
const FAILING = { mail, results: FAILED } as const;
const ONE = [`FAILURE: openstack/cinder ${FIRST},1 (check) Make it faster`];
const end = {
  verdicts: ['FAILURE'],
  posts: [`${FIRST},1 failed Verified-1`],
  stages: 2,
  servers: 1,
} as const;
/** Nobody takes mail before this. */
const FIXED = START + 3_600_000;

storyTests([
  {
    name: 'a failure is told by mail',
    options: FAILING,
    begin: (lab) => lab.say(created()),
    end: { ...end, mails: ONE },
  },
  {
    name: 'a success is not',
    options: { mail },
    begin: (lab) => lab.say(created()),
    end: { ...end, verdicts: ['SUCCESS'], posts: [`${FIRST},1 succeeded Verified+1`], mails: [] },
  },
  {
    name: 'mail does not go for an hour',
    options: {
      ...FAILING,
      bend: bent('mailer', (mailer, lab) => ({
        send: (letter, signal) =>
          lab.clock.now() < FIXED ? Promise.reject(outage('send mail')) : mailer.send(letter, signal),
      })),
    },
    begin: (lab) => lab.say(created()),
    end: { ...end, mails: ONE },
  },
  {
    name: 'mail is refused for good',
    options: {
      ...FAILING,
      bend: bent('mailer', () => ({ send: () => Promise.reject(outage('send mail', false)) })),
    },
    begin: (lab) => lab.say(created()),
    end: { ...end, mails: [], alarms: ['mail-send-failed'] },
  },
]);

test('a mail that hangs blocks neither the review nor the next one', async () => {
  const lab = new Lab(FAILING);
  await lab.start();
  lab.mailer.holdNext('request');
  lab.say(created());
  await lab.run(() => lab.mailer.calls.held === 1);
  expect(lab.openWork()).toEqual([]);
  lab.say(created(FIRST, 2));
  await lab.run(() => lab.reviewer.posted.length === 2);
  lab.mailer.calls.release();
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(lab.mailer.subjects).toHaveLength(2);
  lab.store.close();
});

test('one that was accepted while its answer was lost is repeated as the same mail', async () => {
  const lab = new Lab(FAILING);
  await lab.start();
  lab.mailer.holdNext('answer');
  lab.say(created());
  await lab.run(() => lab.mailer.calls.held === 1);
  await lab.restart();
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(lab.mailer.sent).toHaveLength(2);
  expect(lab.mailer.subjects).toEqual(ONE);
  lab.store.close();
});
