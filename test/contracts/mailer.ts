/** The contract of mailers: SMTP, a program of the host, or a fake. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EffectOf, Mailer } from '../../src/engine/ports/adapters.ts';

type Mail = EffectOf<'sendMail'>['mail'];

/** One mail as its recipient sees it. */
export interface Delivered {
  readonly to: readonly string[];
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
}

export interface MailerHarness {
  readonly mailer: Mailer;
  /** The accepted mails, oldest first. */
  delivered(): Promise<readonly Delivered[]>;
  /** The next mail is rejected: temporarily, or permanently. */
  rejectNext(permanently: boolean): void;
  stop(): Promise<void>;
}

const mail = (more: Partial<Mail> = {}): Mail => ({
  id: 'review.r00042',
  to: ['dev@acme.example', 'ci@acme.example'],
  subject: 'FAILURE: openstack/cinder 912345,3 (check) Acme: retry the login',
  text: 'Change:  912345,3\n\nacme-dsvm: FAILURE in 1h 02m 03s\n',
  ...more,
});

export function mailerContract(name: string, start: () => Promise<MailerHarness>): void {
  describe(`mailer contract: ${name}`, () => {
    let harness: MailerHarness;
    const never = new AbortController().signal;
    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.stop());

    test('delivers a mail to every recipient', async () => {
      await harness.mailer.send(mail(), never);
      const [{ to, subject, text } = { to: [], subject: '', text: '' }, ...more] = await harness.delivered();
      expect(more).toEqual([]);
      expect([...to].sort()).toEqual(['ci@acme.example', 'dev@acme.example']);
      expect({ subject, text: text.trimEnd() }).toEqual({
        subject: mail().subject,
        text: mail().text.trimEnd(),
      });
    });

    test('gives a repeated mail the same id, and another mail a different one', async () => {
      for (const id of ['review.r00042', 'review.r00042', 'alarm.stream-down.1']) {
        await harness.mailer.send(mail({ id }), never);
      }
      const ids = (await harness.delivered()).map(({ messageId }) => messageId);
      expect(ids).toHaveLength(3);
      expect(ids[0]).toBe(ids[1]);
      expect(ids[2]).not.toBe(ids[0]);
    });

    test('the text arrives unchanged, with any characters', async () => {
      const lines = [
        'naïve 漢字 ☃ 🦀 "quotes" <b> = =3D %s \\',
        '.',
        '..dots',
        'From here',
        `long ${'x'.repeat(2_000)} end`,
        '\tand  spaces',
      ];
      await harness.mailer.send(mail({ subject: 'naïve 漢字 🦀', text: lines.join('\n') }), never);
      expect(await harness.delivered()).toMatchObject([{ subject: 'naïve 漢字 🦀', text: lines.join('\n') }]);
    });

    test.each([true, false])(
      'a rejection (permanent: %s) is an error with the matching retryable flag',
      async (permanently) => {
        harness.rejectNext(permanently);
        await expect(harness.mailer.send(mail(), never)).rejects.toMatchObject({
          name: 'OperationError',
          operation: 'send mail',
          retryable: !permanently,
          hint: expect.stringMatching(/./),
        });
        expect(await harness.delivered()).toEqual([]);
        await harness.mailer.send(mail(), never);
        expect(await harness.delivered()).toHaveLength(1);
      },
    );

    test('a mail that is aborted before it begins is not sent', async () => {
      await expect(harness.mailer.send(mail(), AbortSignal.abort())).rejects.toMatchObject({
        name: 'OperationError',
        retryable: true,
      });
      expect(await harness.delivered()).toEqual([]);
    });
  });
}
