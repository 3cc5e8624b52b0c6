/** `mail`: who gets mail about reviews and alarms, and how it is sent. */
import { z } from 'zod';
import type { MailConfig } from '../config.ts';
import {
  choice,
  integer,
  optionalCommand,
  optionalText,
  secretSource,
  text,
  texts,
} from '../fields/fields.ts';
import { PASSWORD_HINT, resolveSource } from '../fields/password.ts';
import { hostName, isLoopback, mailAddress, mailSender, oneWord, readSender } from '../fields/validators.ts';
import { at, isMapping, type ReportProblem } from '../file/yaml-document.ts';

const smtp = z.strictObject({
  host: text({ kind: 'host name', check: hostName, about: 'the mail server' }),
  port: integer({ default: 587, min: 1, max: 65535, about: "the mail server's port" }),
  tls: choice({
    of: ['starttls', 'tls', 'none'],
    default: 'starttls',
    about:
      'starttls: encrypted after the greeting, without encryption no mail is sent; tls: from the first byte (port 465); none: a relay on this host',
  }),
  user: optionalText({ check: oneWord, about: 'login, where the server requires one' }),
  password: secretSource({
    about: 'the password of the login, alone in a file of mode 600 or in a variable of the daemon',
    hint: PASSWORD_HINT,
  }).optional(),
  caFile: optionalText({
    kind: 'path',
    about: "CA certificates (PEM) for the server, used instead of the system's",
  }),
});

const addresses = (about: string) => texts({ kind: 'list of mail addresses', check: mailAddress, about });

export const mail = z.strictObject({
  from: text({
    kind: 'mail address',
    check: mailSender,
    about: 'the sender: ci@acme.example or Acme CI <ci@acme.example>',
  }),
  alarmsTo: addresses('who gets mail about alarms'),
  to: addresses('who gets mail about reviews'),
  on: choice({
    of: ['failure', 'always', 'never'],
    default: 'failure',
    about: 'failure: mail about reviews in which a voting job did not succeed, or that Gerrit did not accept',
  }),
  smtp: smtp.optional(),
  sendmail: optionalCommand({
    about:
      "the host's program instead of SMTP, such as [/usr/sbin/sendmail]; -i, the sender and the recipients are added to its arguments, and it gets the mail on standard input",
  }),
});

/** Constants that need no configuration. */
const LIMITS = {
  /** Further alarms are counted in the next mail, so many alarms do not cause many mails. */
  maxAlarmMailsPerHour: 20,
  /** Alarms within this time share one mail. */
  alarmBatchDelayMs: 10_000,
  timeoutMs: 60_000,
  /** With waits that double from one minute, the last attempt is eight hours after the first. */
  attempts: 10,
  retryMs: 60_000,
} as const;

type MailFile = z.output<typeof mail>;

export function buildMail(file: MailFile, path: (path: string) => string): MailConfig {
  const from = readSender(file.from);
  if (from === null) throw new Error('an invalid sender passed the checks');
  return {
    ...LIMITS,
    from,
    to: file.to,
    on: file.on,
    alarmsTo: file.alarmsTo,
    by: buildTransport(file, path),
  };
}

function buildTransport(file: MailFile, path: (path: string) => string): MailConfig['by'] {
  if (file.smtp === undefined) return { sendmail: file.sendmail ?? [] };
  const { host, port, tls, user, password, caFile } = file.smtp;
  const login =
    user === null || password === undefined ? null : { user, password: resolveSource(password, path) };
  return { host, port, tls, login, caFile: caFile === null ? null : path(caFile) };
}

export function checkMail(root: unknown, add: ReportProblem): void {
  const file = at(root, ['mail']);
  if (!isMapping(file)) return;
  if (isEmpty(file.to) && isEmpty(file.alarmsTo)) {
    const next = 'add to: [ADDRESS] for reviews, alarmsTo: [ADDRESS] for alarms, or both';
    add(['mail'], 'has no recipient', next);
  }
  const transports = ['smtp', 'sendmail'].filter((key) => file[key] !== undefined && file[key] !== null);
  if (transports.length === 0) {
    add(['mail'], 'has no transport', 'add smtp: {host: HOST}, or sendmail: [/usr/sbin/sendmail]');
  }
  if (transports.length === 2) add(['mail', 'sendmail'], 'is set beside smtp', 'keep one of the two');
  checkLogin(file.smtp, add);
}

function checkLogin(file: unknown, add: ReportProblem): void {
  if (!isMapping(file)) return;
  const { user, password, tls, host } = file;
  const [hasUser, hasPassword] = [user !== undefined, password !== undefined];
  if (hasUser !== hasPassword) {
    const missing = hasUser ? 'password' : 'user';
    add(['mail', 'smtp'], `has no ${missing} for its ${hasUser ? 'user' : 'password'}`, `add ${missing}`);
  }
  if (hasPassword && tls === 'none' && typeof host === 'string' && !isLoopback(host)) {
    add(['mail', 'smtp', 'tls'], 'would send the password in the clear', 'write starttls or tls');
  }
}

function isEmpty(list: unknown): boolean {
  return list === undefined || list === null || (Array.isArray(list) && list.length === 0);
}
