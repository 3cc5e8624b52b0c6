/**
 * Hostile strings, 10,000 of them (by default a twentieth), as subjects, ids and texts, through the real library and a
 * real connection: headers, recipients and end of the mail stay as intended.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compose } from '../../../src/adapters/mail/compose.ts';
import { SmtpMailer } from '../../../src/adapters/mail/smtp.ts';
import { readMail } from '../../fakes/read-mail.ts';
import { SmtpSink } from '../../fakes/smtp-sink.ts';
import { CODE_POINT } from '../../fixtures/code-point.ts';
import { LONG, runs } from '../../fixtures/effort.ts';
import { NEVER } from '../../fixtures/never.ts';

const from = { name: 'Acme CI', address: 'ci@acme.example' };
const STRINGS = runs(10_000);
const NAMES = [
  'Auto-Submitted',
  'From',
  'To',
  'Subject',
  'Message-ID',
  'Content-Transfer-Encoding',
  'Date',
  'MIME-Version',
  'Content-Type',
];

const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  '\u2028',
  '\u0085',
  '\u202e',
  '\ud83d',
  '\r\n.\r\n',
  '\n.\n',
  'Bcc: thief@evil.example',
  '\r\nBcc: thief@evil.example\r\n',
  '\r\n\r\n<html>',
  'MAIL FROM:<thief@evil.example>',
  'RCPT TO:<thief@evil.example>',
  'QUIT',
  '=?utf-8?q?=0D=0ABcc:_thief@evil.example?=',
  '=?utf-7?Q?+AA0ACg-?=',
  '<thief@evil.example>',
  '>,<',
  '"',
  '\\',
  ';',
  ':',
  '%0d%0a',
  '$(id)',
  '`id`',
  '漢字',
  '🦀',
  ' ',
  '\t',
  'a',
  'x'.repeat(80),
];
const hostile = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 25 }).map((parts) => parts.join('')),
  fc.string({ unit: CODE_POINT, minLength: 1, maxLength: 300 }),
);

const tenHostile = fc.array(hostile, { minLength: 10, maxLength: 10 });

describe('foreign text', () => {
  let sink: SmtpSink;
  beforeAll(async () => {
    sink = await SmtpSink.start();
  });
  afterAll(() => sink.close());

  test('cannot change headers, recipients or the end of the mail', LONG, async () => {
    const where = { host: '127.0.0.1', port: sink.port, tls: 'none', caFile: null, login: null } as const;
    const mailer = new SmtpMailer({ ...where, from, timeoutMs: 60_000 });
    const to = ['dev@acme.example', 'ops@acme.example'];
    let strings = 0;
    await fc.assert(
      fc.asyncProperty(tenHostile, async ([id = '', one, two, three, ...lines]) => {
        strings += 4 + lines.length;
        sink.mails.length = 0;
        const text = lines.join('\n');
        await mailer.send({ id, to, subject: `${one} ${two} ${three}`, text }, NEVER);
        expect(sink.mails).toHaveLength(1);
        const [{ from: sender, to: recipients, data } = { from: '', to: [], data: '' }] = sink.mails;
        expect([sender, ...recipients]).toEqual(['ci@acme.example', ...to]);
        const read = readMail(data);
        expect(read.headers.map(([name]) => name)).toEqual(NAMES);
        const header = Object.fromEntries(read.headers);
        expect(header.To).toBe(to.join(', '));
        expect(header['Message-ID']).toMatch(/^<[A-Za-z0-9.-]{1,100}@acme\.example>$/);
        expect(read.subject).toMatch(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u);
        // No new line breaks appear, and none are lost.
        expect(read.text.split('\n').length).toBe(
          text
            .replace(/\r\n?|\n/g, '\n')
            .replace(/\n$/, '')
            .split('\n').length,
        );
      }),
      { numRuns: STRINGS / 10 },
    );
    expect(strings).toBe(STRINGS);
    expect(sink.lines.join('\n')).not.toContain('evil');
  });
});

describe('a mail’s id', () => {
  test.each([
    ['review.r00042', '<review.r00042@acme.example>'],
    ['alarm.stream-down.1795354826', '<alarm.stream-down.1795354826@acme.example>'],
    ['a..b', /^<[0-9a-f]{64}@acme\.example>$/],
    ['x@evil>', /^<[0-9a-f]{64}@acme\.example>$/],
  ])('%s becomes a Message-ID', (id, expected) => {
    const { messageId } = compose({ id, to: [], subject: '', text: '' }, from);
    if (typeof expected === 'string') expect(messageId).toBe(expected);
    else expect(messageId).toMatch(expected);
  });
});
