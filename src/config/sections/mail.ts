/** Keys of `mail`: who is told by mail, and which way it goes. */
import { z } from 'zod';
import { choice, duration, integer, optionalCommand, optionalText, text, texts } from '../fields/fields.ts';
import { password } from '../fields/password-keys.ts';
import { hostName, mailAddress, mailSender, oneWord } from '../fields/validators.ts';

const smtp = z.strictObject({
  host: text({ kind: 'host name', check: hostName, about: 'the mail server' }),
  port: integer({ default: 587, min: 1, max: 65535, about: 'its port' }),
  tls: choice({
    of: ['starttls', 'tls', 'none'],
    default: 'starttls',
    about:
      'starttls: encrypted after the greeting, or not at all; tls: from the first byte (port 465); none: a relay on this host',
  }),
  user: optionalText({ check: oneWord, about: 'login, where the server wants one' }),
  password: password.optional(),
  caFile: optionalText({
    kind: 'path',
    about: "certificates (PEM) of authorities that sign the server's, instead of the host's",
  }),
});

const addresses = (about: string) =>
  texts({ kind: 'list of mail addresses', default: '[]', fallback: [], check: mailAddress, about });

export const mail = z.strictObject({
  from: text({
    kind: 'mail address',
    check: mailSender,
    about: 'the sender: ci@acme.example or Acme CI <ci@acme.example>',
  }),
  to: addresses('who is told how reviews end'),
  on: choice({
    of: ['failure', 'always', 'never'],
    default: 'failure',
    about: 'failure: of reviews in which a voting job did not succeed, or that Gerrit did not take',
  }),
  operator: addresses('who is told of alarms'),
  operatorLimit: integer({
    default: 20,
    min: 1,
    max: 1000,
    about: 'mails about alarms in one hour; what is left out is counted in the next',
  }),
  operatorGather: duration({ default: '10s', about: 'for more alarms before a mail about them' }),
  smtp: smtp.optional(),
  sendmail: optionalCommand({
    about:
      "the host's program instead of SMTP, such as [/usr/sbin/sendmail]; -i, the sender and the recipients are added, the mail is its standard input",
  }),
  timeout: duration({ default: '1m', min: '1s', about: 'for one attempt to send' }),
  attempts: integer({ default: 6, min: 1, max: 100, about: 'attempts to send until an alarm is raised' }),
  retry: duration({ default: '1m', about: 'before a second attempt to send; doubles' }),
});
