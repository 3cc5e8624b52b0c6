import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SmtpMailer, type SmtpOptions } from '../../../src/adapters/mail/smtp.ts';
import { PartlySent } from '../../../src/engine/ports/adapters.ts';
import { OperationError } from '../../../src/errors.ts';
import { makeCertificate } from '../../fakes/certificate.ts';
import { readMail } from '../../fakes/read-mail.ts';
import { type SinkOptions, SmtpSink } from '../../fakes/smtp-sink.ts';
import { NEVER } from '../../fixtures/never.ts';

const PASSWORD = 'correct horse battery';
const certificate = makeCertificate();
const mail = { id: 'review.r1', to: ['dev@acme.example'], subject: 'FAILURE', text: 'all of it\n' };
let directory: string;
let sink: SmtpSink;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-smtp-'));
  writeFileSync(join(directory, 'ca.pem'), certificate.cert);
});
afterEach(async () => {
  await sink.close();
  rmSync(directory, { recursive: true });
});

async function mailer(server: SinkOptions, more: Partial<SmtpOptions> = {}): Promise<SmtpMailer> {
  sink = await SmtpSink.start({ certificate, ...server });
  return new SmtpMailer({
    host: '127.0.0.1',
    port: sink.port,
    tls: 'none',
    login: null,
    caFile: join(directory, 'ca.pem'),
    from: { name: 'Acme CI', address: 'ci@acme.example' },
    timeoutMs: 20_000,
    ...more,
  });
}

const login = { user: 'acme', password: () => PASSWORD };

async function refusal(work: Promise<unknown>): Promise<OperationError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OperationError)) throw new Error(`no OperationError: ${inspect(error)}`);
  const shown = inspect(error, { depth: 10, showHidden: true });
  for (const secret of [PASSWORD, Buffer.from(`\0acme\0${PASSWORD}`).toString('base64')]) {
    expect(shown).not.toContain(secret);
  }
  return error;
}

describe('a mail over SMTP', () => {
  test('has these headers and no others', async () => {
    await (await mailer({})).send(mail, NEVER);
    const [{ from, to, data, encrypted } = sink.mails[0] ?? { from: '', to: [], data: '', encrypted: true }] =
      sink.mails;
    expect({ from, to, encrypted }).toEqual({
      from: 'ci@acme.example',
      to: ['dev@acme.example'],
      encrypted: false,
    });
    const { headers } = readMail(data);
    expect(headers.map(([name, value]) => [name, name === 'Date' ? '' : value])).toEqual([
      ['Auto-Submitted', 'auto-generated'],
      ['From', 'Acme CI <ci@acme.example>'],
      ['To', 'dev@acme.example'],
      ['Subject', 'FAILURE'],
      ['Message-ID', '<review.r1@acme.example>'],
      ['Content-Transfer-Encoding', '7bit'],
      ['Date', ''],
      ['MIME-Version', '1.0'],
      ['Content-Type', 'text/plain; charset=utf-8'],
    ]);
  });

  test.each([
    ['starttls', { tls: 'starttls' }],
    ['tls', { tls: 'tls' }],
  ] as const)('is encrypted with %s, and logs in only then', async (tls, server) => {
    await (await mailer({ ...server, login: `acme:${PASSWORD}` }, { tls, login })).send(mail, NEVER);
    expect(sink.mails).toMatchObject([{ login: 'acme', encrypted: true }]);
  });

  test('is not sent, nor the password, if required encryption is not available', async () => {
    const smtpMailer = await mailer({ login: `acme:${PASSWORD}` }, { tls: 'starttls', login });
    expect(await refusal(smtpMailer.send(mail, NEVER))).toMatchObject({
      retryable: false,
      hint: expect.stringContaining('mail.smtp.tls'),
    });
    expect(sink.mails).toEqual([]);
    expect(sink.lines.some((line) => line.startsWith('AUTH'))).toBe(false);
  });

  test.each([
    ['of another authority', { caFile: null }],
    ['for another host', { host: 'localhost' }],
  ])('is not sent to a server with a certificate %s', async (_what, more) => {
    const smtpMailer = await mailer({ tls: 'starttls' }, { tls: 'starttls', ...more });
    expect(await refusal(smtpMailer.send(mail, NEVER))).toMatchObject({
      hint: expect.stringMatching(/caFile|port/),
    });
    expect(sink.mails).toEqual([]);
  });
});

describe('failures', () => {
  test('a wrong password: permanent, and not shown in the error', async () => {
    const smtpMailer = await mailer({ tls: 'tls', login: 'acme:other' }, { tls: 'tls', login });
    expect(await refusal(smtpMailer.send(mail, NEVER))).toMatchObject({
      retryable: false,
      hint: 'check mail.smtp.user and password',
    });
  });

  test.each([
    ['MAIL', '550 5.7.1 not from you', false],
    ['MAIL', '451 4.7.1 greylisted', true],
    ['RCPT', '550 5.1.1 nobody of that name', false],
    ['RCPT', '450 4.2.0 mailbox busy', true],
    ['accepted', '554 5.6.0 spam', false],
    ['accepted', '452 4.3.1 full', true],
    ['connect', '421 4.3.2 shutting down', true],
  ] as const)('%s is answered %s: retryable %s', async (verb, reply, retryable) => {
    const smtpMailer = await mailer({});
    sink.next(verb, reply);
    const error = await refusal(smtpMailer.send(mail, NEVER));
    expect(error).toMatchObject({ retryable, message: expect.stringContaining(reply.slice(4)) });
  });

  test.each([
    ['550 5.1.1 nobody of that name', 'correct the addresses'],
    ['450 4.2.0 mailbox busy', 'the server may accept the next mail'],
  ])(
    'a recipient is refused with %s: the error names it, and the other one gets the mail',
    async (reply, hint) => {
      const smtpMailer = await mailer({});
      sink.next('RCPT', reply);
      const two = { ...mail, to: ['gone@acme.example', 'dev@acme.example'] };
      const error = await refusal(smtpMailer.send(two, NEVER));
      expect(error).toBeInstanceOf(PartlySent);
      expect(error).toMatchObject({
        retryable: false,
        message: expect.stringContaining(`gone@acme.example (${reply})`),
        hint: expect.stringContaining(hint),
      });
      expect(sink.mails).toMatchObject([{ to: ['dev@acme.example'] }]);
    },
  );

  test.each(['connect', 'EHLO', 'MAIL', 'DATA', 'accepted'] as const)(
    'cut at %s: retryable',
    async (verb) => {
      const smtpMailer = await mailer({});
      sink.next(verb, 'cut');
      expect(await refusal(smtpMailer.send(mail, NEVER))).toMatchObject({ retryable: true });
    },
  );

  test('silence ends at the timeout', async () => {
    const smtpMailer = await mailer({}, { timeoutMs: 300 });
    sink.next('connect', 'silence');
    expect(await refusal(smtpMailer.send(mail, NEVER))).toMatchObject({ retryable: true });
  });

  test('no listener: retryable', async () => {
    const smtpMailer = await mailer({});
    await sink.close();
    expect(await refusal(smtpMailer.send(mail, NEVER))).toMatchObject({
      retryable: true,
      hint: expect.stringContaining('check that the mail server is running'),
    });
    sink = await SmtpSink.start();
  });

  test('an abort during a send stops at once', async () => {
    const smtpMailer = await mailer({});
    sink.next('MAIL', 'silence');
    const stop = new AbortController();
    const sending = smtpMailer.send(mail, stop.signal);
    await sink.received('MAIL');
    stop.abort();
    expect(await refusal(sending)).toMatchObject({
      retryable: true,
      message: expect.stringContaining('stopped'),
    });
    expect(sink.mails).toEqual([]);
  });

  test('reports unreadable certificates', async () => {
    const smtpMailer = await mailer({}, { caFile: '/nonexistent/ca.pem' });
    expect(await refusal(smtpMailer.send(mail, NEVER))).toMatchObject({ operation: 'read certificates' });
  });
});
