/**
 * From a mail's words to what nodemailer makes a message of. Recipients and sender come from the configuration alone, for
 * the headers and for the envelope; what strangers wrote gets into the subject and the text and nowhere else, and
 * nodemailer may open no file and no address for it. The Message-ID follows from the mail's own id, so that a mail
 * that was sent twice is known as one by whoever gets it.
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
    // No out-of-office answer comes back to a program.
    headers: { 'Auto-Submitted': 'auto-generated' },
    xMailer: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** What may stand before the @ of a Message-ID; another id becomes its hash. */
function localPart(id: string): string {
  return /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(id) && id.length <= 100
    ? id
    : createHash('sha256').update(id).digest('hex');
}

/**
 * A header is one line: what is none, or hidden, or half a character becomes a space. Nor may it hold what a reader would
 * decode once more into something else (`=?utf-8?q?...?=`).
 */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll('=?', '= ?')
    .slice(0, SUBJECT_LIMIT)
    .replace(/[\ud800-\udbff]$/, '')
    .trim();
}
