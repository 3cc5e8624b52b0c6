/**
 * Builds the nodemailer message of a mail. Recipients and sender come only from the configuration, for headers and
 * envelope. Untrusted text goes only into subject and body, and nodemailer may not open files or URLs for it. The
 * Message-ID derives from the mail's id, so that recipients can detect a duplicate.
 */
import { createHash } from 'node:crypto';
import type { SendMailOptions } from 'nodemailer';
import type { MailConfig } from '../../config/config.ts';
import type { EffectOf } from '../../engine/ports/adapters.ts';

export type Mail = EffectOf<'sendMail'>['mail'];
export type Sender = MailConfig['from'];

const SUBJECT_LIMIT = 250;

export function compose({ id, to, subject, text }: Mail, from: Sender): SendMailOptions {
  return {
    from: from.name === '' ? from.address : { name: from.name, address: from.address },
    to: [...to],
    envelope: { from: from.address, to: [...to] },
    messageId: `<${localPart(id)}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    subject: oneLine(subject) || '(no subject)',
    text,
    textEncoding: 'quoted-printable',
    // Suppresses out-of-office replies.
    headers: { 'Auto-Submitted': 'auto-generated' },
    xMailer: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** The local part of a Message-ID; an id with other characters is hashed. */
function localPart(id: string): string {
  return /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(id) && id.length <= 100
    ? id
    : createHash('sha256').update(id).digest('hex');
}

/**
 * Makes a header one line: control, invisible and invalid characters become spaces. Also breaks encoded words
 * (`=?utf-8?q?...?=`), which a mail reader would decode.
 */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll('=?', '= ?')
    .slice(0, SUBJECT_LIMIT)
    .replace(/[\ud800-\udbff]$/, '')
    .trim();
}
