/**
 * One HTTP request and its bounded answer, with a timeout on every wait. Uses node:http and node:https, because fetch
 * accepts no certificate authority and does not say whether a failed request was sent. Redirects are not followed, so a
 * password or token reaches only the requested address.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import type { Clock } from '../../engine/ports/adapters.ts';
import { errorText } from '../../errors.ts';

export interface HttpRequest {
  readonly url: URL;
  /** Method, headers, agent and certificates. */
  readonly options: https.RequestOptions;
  readonly body: string | Readable | null;
}

export interface ExchangeLimits {
  readonly connectTimeoutMs: number;
  /** For the whole exchange. */
  readonly requestTimeoutMs: number;
  readonly answerLimitBytes: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** A request without a complete answer. */
export class ExchangeError extends Error {
  /**
   * The code of the system or of TLS, or `stopped`, `connect-timeout`, `answer-timeout`, `answer-too-long`,
   * `answer-cut`, or `stale`: the server closed a kept connection, perhaps before it received the request.
   */
  readonly code: string;
  /** True: the connection was established, so the server may have the request. */
  readonly sent: boolean;

  constructor(code: string, message: string, sent: boolean, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.sent = sent;
  }
}

/** Resolves with any HTTP answer, including refusals. @throws ExchangeError when there is no complete answer */
export function exchange(
  { url, options, body }: HttpRequest,
  limits: ExchangeLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  if (signal.aborted) {
    if (body instanceof Readable) body.destroy();
    return Promise.reject(new ExchangeError('stopped', 'stopped', false));
  }
  const request = (url.protocol === 'https:' ? https : http).request(url, options);
  let sent = false;
  let reused = false;
  return new Promise<HttpAnswer>((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(exchangeError(error, sent, reused));
      request.destroy();
    };
    const after = (delayMs: number, code: string) =>
      clock.after(delayMs, () => fail(new ExchangeError(code, code, sent)));
    const disarm = [
      after(limits.requestTimeoutMs, 'answer-timeout'),
      after(limits.connectTimeoutMs, 'connect-timeout'),
    ];
    const abort = (): void => fail(new ExchangeError('stopped', 'stopped', sent));
    signal.addEventListener('abort', abort, { once: true });
    request.on('close', () => {
      for (const cancel of disarm) cancel();
      signal.removeEventListener('abort', abort);
    });
    whenReady(request, () => {
      disarm[1]?.();
      sent = true;
      reused = request.reusedSocket;
    });
    request.on('error', fail);
    request.on('response', (response) => {
      collect(response, limits.answerLimitBytes).then(
        (text) => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        (error) => fail(error),
      );
    });
    if (body instanceof Readable) send(body, request, fail);
    else request.end(body ?? undefined);
  });
}

function send(body: Readable, request: http.ClientRequest, fail: (error: unknown) => void): void {
  body.on('error', fail);
  // An answer, an error or an abort can end the request before everything is sent.
  request.on('close', () => body.destroy());
  body.pipe(request);
}

/** Parses the seconds or the date of a Retry-After header; 0 for neither. */
export function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

/** Codes of Node's TLS errors that do not begin with CERT_. */
const TLS_CODES = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** True when we refuse the server's certificate: retrying does not help. */
export function isCertificateCode(code: string): boolean {
  return code.startsWith('CERT_') || TLS_CODES.has(code);
}

function exchangeError(error: unknown, sent: boolean, reused: boolean): ExchangeError {
  if (error instanceof ExchangeError) return new ExchangeError(error.code, error.message, sent);
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { readonly code?: unknown };
  if (reused && (code === 'ECONNRESET' || code === 'EPIPE'))
    return new ExchangeError('stale', 'the server closed the reused connection', sent, error);
  return new ExchangeError(typeof code === 'string' ? code : '', errorText(error), sent, error);
}

/** Calls back when the connection is up; from then on the server may have the request. */
function whenReady(request: http.ClientRequest, ready: () => void): void {
  request.once('socket', (socket) => {
    if (!socket.connecting && request.reusedSocket) return ready();
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', ready);
  });
}

function collect(response: http.IncomingMessage, limitBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const fail = (code: string): void => reject(new ExchangeError(code, code, true));
    response.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= limitBytes) parts.push(part);
      else fail('answer-too-long');
    });
    response.on('error', () => fail('answer-cut'));
    // The connection can end in the middle of an answer without an error event.
    response.on('close', () => fail('answer-cut'));
    response.on('end', () => {
      if (response.complete) resolve(Buffer.concat(parts).toString('utf8'));
    });
  });
}
