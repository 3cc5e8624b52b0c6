/**
 * Converts mail failures to OperationErrors. SMTP reply codes (4xx is temporary, 5xx permanent), nodemailer's codes or
 * a program's exit status decide whether a retry can help; the text never does. No error carries its cause, which can
 * contain login data.
 */
import { PartlySent } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';

interface MailErrorFields {
  readonly code?: unknown;
  readonly permanent?: unknown;
  readonly response?: unknown;
  readonly message?: unknown;
  readonly recipient?: unknown;
}

export function smtpFailure(error: unknown, target: string, tls: string): OperationError {
  const { code, permanent, response, message } = (
    typeof error === 'object' && error !== null ? error : {}
  ) as MailErrorFields;
  const detail = printable(response) || printable(message) || 'no answer';
  const fail = (retryable: boolean, hint: string): OperationError =>
    new OperationError({ operation: 'send mail', target, message: detail, retryable, hint });
  if (code === 'EAUTH') {
    return fail(permanent !== true, 'check mail.smtp.user and password');
  }
  if (code === 'ETLS' || code === 'EREQUIRETLS') {
    return fail(
      false,
      `the server does not support mail.smtp.tls: ${tls}, or its certificate was refused (caFile)`,
    );
  }
  if (permanent === true)
    return fail(false, 'the server refuses this mail: check mail.from, to and alarmsTo');
  switch (code) {
    case 'EDNS':
      return fail(true, 'check mail.smtp.host and the DNS of this host');
    case 'ECONNECTION':
    case 'ESOCKET':
    case 'ETIMEDOUT':
      return fail(true, 'check that the mail server is running, and check mail.smtp.port and tls');
    default:
      return fail(true, 'sos-ci retries automatically');
  }
}

/** The mail was accepted, but not for these recipients. */
export function partlySent(target: string, refusals: readonly MailErrorFields[]): PartlySent {
  const refused = refusals.map(({ recipient, response }) => `${recipient} (${printable(response)})`);
  const isPermanent = refusals.some(({ permanent }) => permanent === true);
  return new PartlySent({
    operation: 'send mail',
    target,
    message: `the server accepted the mail, but not for ${refused.join(', ').slice(0, 500)}`,
    hint: isPermanent
      ? 'correct the addresses in mail.to or mail.alarmsTo'
      : 'the server may accept the next mail; this one is not repeated, because the others have received it',
  });
}

/** Exit statuses of <sysexits.h> for temporary failures. */
const TEMPORARY = [71, 74, 75];
/** Exit statuses of a shell that could not run the program. */
const NOT_RUN = [126, 127];

export function programFailure(
  program: string,
  end: { readonly missing: boolean; readonly status: number | null; readonly detail: string },
): OperationError {
  const { missing, status, detail } = end;
  const fail = (message: string, retryable: boolean, hint: string): OperationError =>
    new OperationError({ operation: 'send mail', target: program, message, retryable, hint });
  if (missing || (status !== null && NOT_RUN.includes(status))) {
    return fail('the program does not exist or is not executable', false, 'correct mail.sendmail');
  }
  const how = status === null ? 'it was killed by a signal' : `exit status ${status}`;
  const text = [how, printable(detail)].filter((part) => part !== '').join(': ');
  const isTemporary = status === null || TEMPORARY.includes(status);
  return fail(text, isTemporary, `check why ${program} does not accept mail from this user`);
}

export function stoppedMail(target: string): OperationError {
  return new OperationError({
    operation: 'send mail',
    target,
    message: 'stopped: it took too long, or the daemon is stopping',
    retryable: true,
    hint: 'sos-ci retries automatically',
  });
}

function printable(text: unknown): string {
  if (typeof text !== 'string') return '';
  return text
    .slice(0, 1_000)
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ')
    .trim()
    .slice(0, 300);
}
