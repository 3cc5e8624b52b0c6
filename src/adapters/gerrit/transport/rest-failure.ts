/**
 * Converts failures of REST requests to OperationErrors with hints. Decides by system, TLS and HTTP codes, never by
 * text. Refusals (4xx) are permanent, except 408 and 429; server errors (5xx) are temporary.
 */
import { errorText, OperationError, type OperationErrorFields } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import { isCertificateCode } from '../../run/http-exchange.ts';
import { oneLine } from '../json-schemas.ts';
import type { RestAnswer, RestOptions } from './rest-client.ts';

type Limits = Pick<RestOptions, 'connectTimeoutMs' | 'requestTimeoutMs' | 'answerLimitBytes' | 'caFile'>;

/** A request without an answer. `sent`: the connection was established. */
export function transportFailure(
  target: string,
  limits: Limits,
  cause: unknown,
  sent: boolean,
): OperationErrorFields {
  const code = codeOf(cause);
  const fail = (message: string, retryable: boolean, hint: string): OperationErrorFields => ({
    operation: sent ? 'read answer' : 'connect',
    target,
    message,
    retryable,
    hint,
    cause,
  });
  switch (code) {
    case 'stopped':
      return fail('stopped', true, 'sos-ci retries automatically');
    case 'connect-timeout':
      return fail(
        `no connection within ${formatLimit(limits.connectTimeoutMs)}`,
        true,
        'check network, firewall and proxy',
      );
    case 'answer-timeout':
      return fail(
        `no answer within ${formatLimit(limits.requestTimeoutMs)}`,
        true,
        'sos-ci retries automatically',
      );
    case 'answer-too-long':
      return fail(
        `the answer is longer than ${limits.answerLimitBytes} bytes`,
        false,
        'check what the site answers: sos-ci needs no answer of this size',
      );
    case 'answer-cut':
      return fail('the answer was cut off', true, 'sos-ci retries automatically');
    case 'ECONNREFUSED':
      return fail('connection refused', true, 'check that Gerrit is running, and check gerrit.rest.url');
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return fail('the host is not known', true, "check gerrit.rest.url and this host's DNS");
    default:
      return isCertificateCode(code)
        ? fail(`the server's certificate was refused: ${code}`, false, certificateHint(code, limits))
        : fail(oneLine(errorText(cause), 300) || 'no answer', true, 'sos-ci retries automatically');
  }
}

/** An answer that refuses the request. The status alone decides `retryable`. */
export function statusFailure(operation: string, target: string, answer: RestAnswer): OperationError {
  const { status } = answer;
  const detail =
    status >= 300 && status < 400 ? `to ${oneLine(answer.location, 200)}` : firstLine(answer.text);
  return new OperationError({
    operation,
    target,
    message: `Gerrit answers ${status}${detail === '' ? '' : `: ${detail}`}`,
    retryable: status >= 500 || status === 408 || status === 429,
    hint: statusHint(status),
  });
}

/** The first line of a refusal, for display. */
export function firstLine(text: string): string {
  return oneLine(text.trimStart().split('\n')[0] ?? '', 300).trim();
}

function codeOf(cause: unknown): string {
  const { code } = (typeof cause === 'object' && cause !== null ? cause : {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : '';
}

function certificateHint(code: string, { caFile }: Limits): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'the certificate is for another host: check gerrit.rest.url';
  if (code === 'CERT_HAS_EXPIRED')
    return "the server's certificate has expired: inform its operator, or check this host's clock";
  return caFile === null
    ? 'for a site with its own certificate authority, set gerrit.rest.caFile to its certificate'
    : `the authority in ${caFile} did not sign it`;
}

function statusHint(status: number): string {
  if (status >= 300 && status < 400)
    return 'redirects are not followed: write the final address in gerrit.rest.url';
  switch (status) {
    case 401:
      return "check gerrit.rest.password: it is the HTTP password of gerrit.user, from Gerrit's settings page";
    case 403:
      return 'check what this account may do on that project';
    case 404:
      return 'project, change or patchset is gone, or this account may not read it';
    case 429:
      return 'the site limits requests: check which other programs use this account';
    default:
      return status >= 500 ? "check Gerrit's log; sos-ci retries automatically" : 'please report this answer';
  }
}
