/** Mail about a failure arrives through a real Postfix, despite SIGKILL of the daemon or an hour without the server. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect } from 'vitest';
import { SendmailMailer } from '../../src/adapters/mail/sendmail.ts';
import { SmtpMailer } from '../../src/adapters/mail/smtp.ts';
import { buildMail, mail as mailFields } from '../../src/config/sections/mail.ts';
import { needs } from '../fixtures/needs.ts';
import { Postfix } from '../fixtures/postfix.ts';
import { FAILED, START } from '../machines/facts.ts';
import { CiHarness } from '../scenarios/ci-harness.ts';
import { wrapPort } from '../scenarios/faults.ts';
import { created } from '../scenarios/gerrit-events.ts';
import type { TestCase } from './case.ts';
import { Testbed } from './testbed.ts';

const { describe, test } = needs('postfix', 'sendmail');
const FAILING = "printf 'TAP version 14\\n1..1\\nnot ok 1 - breaks\\n' >results.tap\nexit 1\n";
const HOUR = 3_600_000;
const POLL = { timeout: 60_000 } as const;
const FROM = { name: 'Acme CI', address: 'ci@acme.example' };

let postfix: Postfix;
beforeEach(async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can start Postfix');
  postfix = await Postfix.make();
});
afterEach(() => postfix.remove());

const transports = {
  smtp: () => `smtp: {host: 127.0.0.1, port: ${postfix.port}, tls: none}`,
  sendmail: () => `sendmail: ${JSON.stringify(postfix.sendmail)}`,
} as const;

describe.each(['smtp', 'sendmail'] as const)('by %s', (transport) => {
  test('the mail about a failure arrives once, whenever the daemon is killed', async () => {
    postfix.up();
    const testbed = await Testbed.start();
    const options = {
      testing: FAILING,
      top: `mail: {from: Acme CI <ci@acme.example>, to: [team@example.org], ${transports[transport]()}}\n`,
    };
    try {
      const first = await testbed.newCase(options);
      const points = (await finish(first, 'list', 1)).filter((point) => point.includes('sendMail'));
      expect(points).toEqual(['before:sendMail#1', 'after:sendMail#1']);
      expect(postfix.delivered()[0]?.subject).toContain(`FAILURE: ${first.name}`);

      const before = await testbed.newCase(options);
      await finish(before, 'before:sendMail#1', 2);

      // Postfix has the mail, and no log knows it: sent again, it has the same id.
      const after = await testbed.newCase(options);
      await finish(after, 'after:sendMail#1', 4);
      expect(messageIds().size).toBe(3);
    } finally {
      await testbed.stop();
    }
  });
});

test('the mail about a failure arrives although the mail server is unavailable for an hour', async () => {
  const limits = buildMail(
    mailFields.parse({ from: FROM.address, to: ['team@example.org'], smtp: { host: '127.0.0.1' } }),
    (path) => path,
  );
  const { attempts, retryMs, timeoutMs } = limits;
  const server = { host: '127.0.0.1', port: postfix.port, tls: 'none', login: null, caFile: null } as const;
  const mailer = new SmtpMailer({ ...server, from: FROM, timeoutMs });
  let sending: Promise<void> | null = null;
  let isUp = false;
  const ci = new CiHarness({
    mail: { to: ['team@example.org'], on: 'failure', attempts, retryMs, timeoutMs },
    results: FAILED,
    wrapAdapters: wrapPort('mailer', (_fake, { clock }) => ({
      send: (mail, signal) => {
        if (!isUp && clock.now() >= START + HOUR) {
          postfix.up();
          isUp = true;
        }
        sending = mailer.send(mail, signal);
        return sending;
      },
    })),
  });
  await ci.start();
  ci.emit(created());
  // Time passes only while no mail is on its way.
  for (;;) {
    await ci.run(() => sending !== null || ci.isIdle);
    if (sending === null) break;
    await (sending as Promise<void>).catch(() => undefined);
    sending = null;
  }
  ci.store.close();
  await expect.poll(() => postfix.delivered().length, POLL).toBe(1);
});

test("Postfix's sendmail accepts the mail while the mail server is down", async () => {
  // Its first start creates the queue.
  postfix.up();
  postfix.down();
  const mailer = new SendmailMailer({ argv: postfix.sendmail, from: FROM, graceMs: 1_000 });
  await mailer.send(
    { id: 'review.r1', to: ['team@example.org'], subject: 'FAILURE', text: 'text' },
    AbortSignal.timeout(60_000),
  );
  expect(postfix.delivered()).toEqual([]);
  postfix.up();
  await expect.poll(() => postfix.delivered().map(({ subject }) => subject), POLL).toEqual(['FAILURE']);
});

/**
 * Runs a job whose test fails, kills the daemon at `fault` and starts another, until that many mails were delivered. Resolves to
 * the points that were listed.
 */
async function finish(testCase: TestCase, fault: string, mails: number): Promise<readonly string[]> {
  try {
    const daemon = await testCase.startDaemon(fault);
    const sent = () =>
      testCase.eventually('its mail', () => testCase.allEnded() && postfix.delivered().length === mails);
    await testCase.push();
    await Promise.race([daemon.reached(fault), sent()]);
    if (fault === 'list') await daemon.stop();
    else {
      await daemon.kill();
      const next = await testCase.startDaemon();
      await sent();
      await next.stop();
    }
    expect(await testCase.findInconsistencies()).toEqual([]);
    return fault === 'list' ? readFileSync(daemon.faultFile, 'utf8').trim().split('\n') : [];
  } finally {
    await testCase.close();
  }
}

function messageIds(): ReadonlySet<string> {
  const value = (mail: ReturnType<Postfix['delivered']>[number]) =>
    mail.headers.find(([name]) => name === 'Message-ID')?.[1] ?? '';
  return new Set(postfix.delivered().map(value));
}
