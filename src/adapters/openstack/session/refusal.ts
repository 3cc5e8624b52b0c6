/**
 * Turns an answer that refuses a request, or the lack of an answer, into a CloudError. The status decides the kind. A
 * message decides only where the API gives nothing else: Nova reports a quota and a policy alike, as 403 `forbidden`.
 */
import { plainText } from '../../../terminal-text.ts';
import {
  type ExchangeError,
  type HttpAnswer,
  isCertificateCode,
  retryAfterMs,
} from '../../run/http-exchange.ts';
import { CloudError, type CloudErrorKind, type CloudRequest } from './session.ts';

const MAX_MESSAGE = 300;
/** The upper limit for Retry-After. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Neutron's type of error for a network whose addresses are all in use. */
const NO_ADDRESS = 'IpAddressGenerationFailure';

export interface RequestContext {
  readonly method: CloudRequest['method'];
  /** The service and its host. */
  readonly target: string;
  readonly operation: string;
  /** The origin of the credentials. */
  readonly source: string;
  readonly caFileField: string;
  readonly secrets: readonly string[];
  /** The kind of a 404 for a request that names no resource; by default `not-found`. */
  readonly notFound?: CloudErrorKind;
}

export function refusalOf(context: RequestContext, answer: HttpAnswer, now: number): CloudError {
  const { status, headers } = answer;
  const details = detailsOf(answer);
  const usual = kindOf(status, details);
  const kind = usual === 'not-found' ? (context.notFound ?? usual) : usual;
  const detail =
    status >= 300 && status < 400
      ? ` to ${headers.location ?? 'nowhere'}`
      : details.text === ''
        ? ''
        : `: ${details.text}`;
  const requestedMs = retryAfterMs(headers['retry-after'], now);
  return new CloudError({
    kind,
    ...namesOf(context),
    message: clean(`answers ${status}${detail}`, context.secrets),
    hint: hintOf(kind, status, context),
    status,
    mayHaveHappened: context.method !== 'GET' && (status >= 500 || status === 429 || status === 408),
    retryAfterMs: headers['retry-after'] === undefined ? null : Math.min(requestedMs, MAX_RETRY_AFTER_MS),
    // A repeated request would be redirected again.
    ...(status >= 300 && status < 400 ? { retryable: false } : {}),
  });
}

/** A 2xx answer whose body does not have the form of the API. */
export function badResponse(context: RequestContext, status: number, what: string, text: string): CloudError {
  const start = text.trimStart();
  const shown = start.startsWith('<') ? pageText(start) : start;
  return new CloudError({
    kind: 'bad-response',
    ...namesOf(context),
    message: clean(`answers ${status} with ${what}${shown === '' ? '' : `: ${shown}`}`, context.secrets),
    hint: 'check that the endpoint in the catalogue is this service, not a login page or a proxy',
    status,
    mayHaveHappened: context.method !== 'GET',
  });
}

/** @param error never `stopped`, which the caller caused */
export function transportRefusal(context: RequestContext, error: ExchangeError): CloudError {
  const { code, sent } = error;
  const cut = code === 'answer-cut' || code === 'answer-too-long';
  const refused = isCertificateCode(code);
  return new CloudError({
    kind: cut ? 'bad-response' : 'unreachable',
    ...namesOf(context),
    message: clean(
      refused ? `the server's certificate was refused: ${code}` : transportText(error),
      context.secrets,
    ),
    hint: refused ? certificateHint(code, context) : transportHint(code, context),
    status: null,
    mayHaveHappened: sent && context.method !== 'GET',
    ...(refused || code === 'answer-too-long' ? { retryable: false } : {}),
    cause: error,
  });
}

function namesOf({ operation, target }: RequestContext): Pick<RequestContext, 'operation' | 'target'> {
  return { operation, target };
}

function transportText({ code, message }: ExchangeError): string {
  switch (code) {
    case 'connect-timeout':
      return 'no connection in time';
    case 'answer-timeout':
      return 'no answer in time';
    case 'answer-too-long':
      return 'the answer is too long';
    case 'answer-cut':
      return 'the answer was cut off';
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host is not known';
    default:
      return message || 'no answer';
  }
}

function transportHint(code: string, { source }: RequestContext): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `check auth_url in ${source}, the endpoints of the catalogue, and DNS`;
  if (code === 'answer-too-long')
    return 'sos-ci needs no answer of this size: check what answers at this address';
  return 'check network, firewall and proxy, and that the service runs';
}

function certificateHint(code: string, { source, caFileField }: RequestContext): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'the certificate is for another host: check auth_url and the catalogue';
  if (code === 'CERT_HAS_EXPIRED') return "renew the server's certificate, or correct this host's clock";
  return caFileField === 'cacert'
    ? `for a cloud with its own CA, add cacert: FILE to ${source}`
    : `the CA of ${caFileField} did not sign it`;
}

interface ErrorDetails {
  /** The service's message, on one line. */
  readonly text: string;
  /** Neutron's type of error, such as OverQuota; the key of the error for the others. */
  readonly type: string;
}

function kindOf(status: number, { text, type }: ErrorDetails): CloudErrorKind {
  if (status >= 500 || status === 408) return 'unavailable';
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return /^quota exceeded|over (?:a |the )?limit|exceeds? .*quota|quota .*exceeded/i.test(text)
        ? 'quota'
        : 'forbidden';
    case 404:
    case 410:
      return 'not-found';
    case 409:
      return type === 'OverQuota' || type === NO_ADDRESS ? 'quota' : 'conflict';
    case 413:
      return 'quota';
    case 429:
      return 'rate-limited';
    default:
      return status >= 400 ? 'bad-request' : 'bad-response';
  }
}

function hintOf(kind: CloudErrorKind, status: number, { source }: RequestContext): string {
  switch (kind) {
    case 'quota':
      return 'free resources of this project, or have its quota raised';
    case 'unauthorized':
      return `check user, password, project and domains, or the application credential, in ${source}`;
    case 'forbidden':
      return `give the user of ${source} a role that may do this: usually member`;
    case 'rate-limited':
    case 'unavailable':
      return "sos-ci retries automatically; check the service's log";
    case 'not-found':
      return 'the resource may be deleted; if all calls fail, check the endpoints of the catalogue';
    case 'conflict':
      return "see the service's message; the resource is in use, or its state is changing";
    default:
      return status < 400
        ? 'redirects are not followed: correct auth_url, or the endpoint in the catalogue'
        : "see the service's message";
  }
}

function detailsOf({ text, headers }: HttpAnswer): ErrorDetails {
  const body = headers['content-type']?.includes('json') === false ? null : parse(text);
  if (typeof body !== 'object' || body === null) return { text: pageText(text), type: '' };
  const record = body as Readonly<Record<string, unknown>>;
  const [first] = Array.isArray(record.errors) ? record.errors : [];
  const [key, nested] = first === undefined ? (Object.entries(record)[0] ?? ['', null]) : ['errors', first];
  const inner = (typeof nested === 'object' && nested !== null ? nested : record) as Readonly<
    Record<string, unknown>
  >;
  const message = [inner.message, inner.detail, record.message, record.faultstring, nested].find(
    (candidate) => typeof candidate === 'string' && candidate !== '',
  );
  return {
    // Glance puts line breaks of HTML into its JSON.
    text: typeof message === 'string' ? message.replace(/<br *\/?>/g, ' ').trim() : '',
    type: typeof inner.type === 'string' ? inner.type : key,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The text of an HTML page or of plain text. */
function pageText(text: string): string {
  return text
    .slice(0, 4_096)
    .replace(/<(style|script)[^>]*>.*?<\/\1>/gis, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function clean(text: string, secrets: readonly string[]): string {
  const safe = secrets.reduce(
    (kept, secret) => (secret === '' ? kept : kept.replaceAll(secret, '***')),
    text,
  );
  const line = plainText(safe.replace(/\s+/g, ' '));
  return line.length <= MAX_MESSAGE ? line : `${line.slice(0, MAX_MESSAGE)}...`;
}
