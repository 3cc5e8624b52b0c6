/**
 * The mail at the end of a review, with a crash at every point: it is sent, retries have the same id, and nothing
 * waits for it.
 */
import { expect, test } from 'vitest';
import type { MailSpec } from '../../src/machines/review/mail.ts';
import { FAILED, START } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { outage, wrapPort } from './faults.ts';
import { created, FIRST } from './gerrit-events.ts';
import { storyTests } from './story-tests.ts';
import { violations } from './violations.ts';

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
/** The mail server rejects mail before this time. */
const FIXED = START + 3_600_000;

storyTests([
  {
    name: 'a failure is mailed',
    options: FAILING,
    begin: (ci) => ci.emit(created()),
    end: { ...end, mails: ONE },
  },
  {
    name: 'a success is not mailed',
    options: { mail },
    begin: (ci) => ci.emit(created()),
    end: { ...end, verdicts: ['SUCCESS'], posts: [`${FIRST},1 succeeded Verified+1`], mails: [] },
  },
  {
    name: 'mail cannot be sent for an hour',
    options: {
      ...FAILING,
      wrapAdapters: wrapPort('mailer', (mailer, ci) => ({
        send: (letter, signal) =>
          ci.clock.now() < FIXED ? Promise.reject(outage('send mail')) : mailer.send(letter, signal),
      })),
    },
    begin: (ci) => ci.emit(created()),
    end: { ...end, mails: ONE },
  },
  {
    name: 'mail is rejected permanently',
    options: {
      ...FAILING,
      wrapAdapters: wrapPort('mailer', () => ({ send: () => Promise.reject(outage('send mail', false)) })),
    },
    begin: (ci) => ci.emit(created()),
    end: { ...end, mails: [], alarms: ['mail-send-failed'] },
  },
]);

test('a mail that hangs blocks neither the review nor the next one', async () => {
  const ci = new CiHarness(FAILING);
  await ci.start();
  ci.mailer.holdNext('request');
  ci.emit(created());
  await ci.run(() => ci.mailer.calls.held === 1);
  expect(ci.openWork()).toEqual([]);
  ci.emit(created(FIRST, 2));
  await ci.run(() => ci.reviewer.posted.length === 2);
  ci.mailer.calls.release();
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(ci.mailer.subjects).toHaveLength(2);
  ci.store.close();
});

test('a mail that was accepted but whose response was lost is repeated with the same id', async () => {
  const ci = new CiHarness(FAILING);
  await ci.start();
  ci.mailer.holdNext('answer');
  ci.emit(created());
  await ci.run(() => ci.mailer.calls.held === 1);
  await ci.restart();
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(ci.mailer.sent).toHaveLength(2);
  expect(ci.mailer.subjects).toEqual(ONE);
  ci.store.close();
});
