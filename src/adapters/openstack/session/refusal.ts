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

const LONGEST_MESSAGE = 300;
/** A proxy or a service that asks for a longer wait gets the next try earlier. */
const LONGEST_RETRY_AFTER_MS = 60_000;

export interface Asked {
  readonly method: CloudRequest['method'];
  /** Names the target: the service, and host and path without a query. */
  readonly target: string;
  readonly operation: string;
  /** Where the credentials are from. */
  readonly source: string;
  readonly caFileField: string;
  readonly secrets: readonly string[];
  /** What 404 means where nothing is asked for by its id; by default `not-found`. */
  readonly notFound?: CloudErrorKind;
}

export function refusalOf(asked: Asked, answer: HttpAnswer, now: number): CloudError {
  const { status, headers } = answer;
  const spoken = wordsOf(answer);
  const usual = kindOf(status, spoken);
  const kind = usual === 'not-found' ? (asked.notFound ?? usual) : usual;
  const said =
    status >= 300 && status < 400
      ? ` to ${headers.location ?? 'nowhere'}`
      : spoken.text === ''
        ? ''
        : `: ${spoken.text}`;
  const asks = retryAfterMs(headers['retry-after'], now);
  return new CloudError({
    kind,
    ...namesOf(asked),
    message: clean(`answers ${status}${said}`, asked.secrets),
    hint: hintOf(kind, status, asked),
    status,
    mayHaveHappened: asked.method !== 'GET' && (status >= 500 || status === 429 || status === 408),
    retryAfterMs: headers['retry-after'] === undefined ? null : Math.min(asks, LONGEST_RETRY_AFTER_MS),
    // A redirect is the same the next time.
    ...(status >= 300 && status < 400 ? { retryable: false } : {}),
  });
}

/** A 2xx answer whose body is not what the API promises. */
export function badAnswer(asked: Asked, status: number, what: string, text: string): CloudError {
  const start = text.trimStart();
  const shown = start.startsWith('<') ? pageText(start) : start;
  return new CloudError({
    kind: 'bad-answer',
    ...namesOf(asked),
    message: clean(`answers ${status} with ${what}${shown === '' ? '' : `: ${shown}`}`, asked.secrets),
    hint: 'check that the endpoint in the catalogue is this service, and no login page or proxy is before it',
    status,
    mayHaveHappened: asked.method !== 'GET',
  });
}

/** @param error never `stopped`, which is the caller's own doing */
export function transportRefusal(asked: Asked, error: ExchangeError): CloudError {
  const { code, sent } = error;
  const cut = code === 'answer-cut' || code === 'answer-too-long';
  const refused = isCertificateCode(code);
  return new CloudError({
    kind: cut ? 'bad-answer' : 'unreachable',
    ...namesOf(asked),
    message: clean(
      refused ? `the server's certificate was refused: ${code}` : transportText(error),
      asked.secrets,
    ),
    hint: refused ? certificateHint(code, asked) : transportHint(code, asked),
    status: null,
    mayHaveHappened: sent && asked.method !== 'GET',
    ...(refused || code === 'answer-too-long' ? { retryable: false } : {}),
    cause: error,
  });
}

function namesOf({ operation, target }: Asked): Pick<Asked, 'operation' | 'target'> {
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
      return 'the answer ended in its middle';
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host is not known';
    default:
      return message || 'no answer';
  }
}

function transportHint(code: string, { source }: Asked): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `check auth_url in ${source}, the endpoints of the catalogue, and DNS`;
  if (code === 'answer-too-long') return 'no call of sos-ci needs so much: see what answers at this address';
  return 'check network, firewall and proxy, and that the service runs';
}

function certificateHint(code: string, { source, caFileField }: Asked): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'the certificate is for another host: check auth_url and the catalogue';
  if (code === 'CERT_HAS_EXPIRED') return "renew the server's certificate, or correct this host's clock";
  return caFileField === 'cacert'
    ? `a cloud with a CA of the lab: add cacert: FILE to ${source}`
    : `the CA of ${caFileField} did not sign it`;
}

interface Words {
  /** The service's own words, on one line. */
  readonly text: string;
  /** Neutron's type of error, such as OverQuota; the key of the error for the others. */
  readonly type: string;
}

function kindOf(status: number, { text, type }: Words): CloudErrorKind {
  if (status >= 500 || status === 408) return 'unavailable';
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return /^quota exceeded|over the limit|exceeds? .*quota|quota .*exceeded/i.test(text)
        ? 'quota'
        : 'forbidden';
    case 404:
    case 410:
      return 'not-found';
    case 409:
      return type === 'OverQuota' ? 'quota' : 'conflict';
    case 413:
      return 'quota';
    case 429:
      return 'rate-limited';
    default:
      return status >= 400 ? 'bad-request' : 'bad-answer';
  }
}

function hintOf(kind: CloudErrorKind, status: number, { source }: Asked): string {
  switch (kind) {
    case 'quota':
      return "free something of this project, or have the project's quota raised";
    case 'unauthorized':
      return `check user, password, project and domains, or the application credential, in ${source}`;
    case 'forbidden':
      return `give the user of ${source} a role that may do this: usually member`;
    case 'rate-limited':
    case 'unavailable':
      return "sos-ci tries again; see the service's log";
    case 'not-found':
      return 'it may be deleted; if all calls fail, check the endpoints of the catalogue';
    case 'conflict':
      return "see the service's message; the resource is in use, or changes its state";
    default:
      return status < 400
        ? 'redirects are not followed: correct auth_url, or the endpoint in the catalogue'
        : "see the service's message";
  }
}

function wordsOf({ text, headers }: HttpAnswer): Words {
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

/** The words of an HTML page or of plain text. */
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
  return line.length <= LONGEST_MESSAGE ? line : `${line.slice(0, LONGEST_MESSAGE)}...`;
}
