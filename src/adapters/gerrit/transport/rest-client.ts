/**
 * Client for Gerrit's REST interface: sends one request, returns its status and bounded text, with a timeout on every
 * wait. Uses node:http and node:https, because fetch accepts no certificate authority and does not say whether a failed
 * request was sent; only a sent review must be looked up before it is sent again. Connections are kept alive and
 * certificates verified. Redirects are not followed, so the password reaches only the configured site.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import { Semaphore } from '../../../semaphore.ts';
import { sleep, timerDelay } from '../../../timer.ts';
import { readCertificates } from '../../tls/certificates.ts';
import { transportFailure } from './rest-failure.ts';
import { UnknownOutcomeError } from './unknown-outcome.ts';

export interface RestOptions {
  /** Base URL of the site, including its path if any. */
  readonly url: string;
  readonly user: string;
  /** Called for each request, so that an operator's fix takes effect immediately. @throws OperationError */
  readonly password: () => string;
  /** PEM file of certificate authorities that replaces the host's; null uses the host's. */
  readonly caFile: string | null;
  readonly connectTimeoutMs: number;
  /** For one request including its answer. */
  readonly requestTimeoutMs: number;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
  /** Longest Retry-After that is obeyed. */
  readonly retryAfterMaxMs: number;
  readonly answerLimitBytes: number;
  /** Maximum number of concurrent requests; further requests wait. */
  readonly connections: number;
}

export interface RestRequest {
  readonly method: 'GET' | 'POST';
  /** Path below `/a/`, URL-encoded: `changes/openstack%2Fcinder~1`. */
  readonly path: string;
  /** Sent as JSON; null sends no body. */
  readonly body: object | null;
}

export interface RestAnswer {
  readonly status: number;
  readonly text: string;
  readonly location: string | null;
  /** The server's clock, epoch ms; null when the answer has no date. */
  readonly date: number | null;
}

interface Prepared {
  readonly url: URL;
  readonly options: https.RequestOptions;
  readonly body: string | null;
}

export class RestClient {
  readonly #options: RestOptions;
  readonly #clock: Clock;
  readonly #turns: Semaphore;
  readonly #agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent };
  /** Monotonic time before which the server asked not to be called. */
  #notBefore = 0;

  constructor(options: RestOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#turns = new Semaphore(options.connections);
    const kept = { keepAlive: true, timeout: timerDelay(options.idleMs), scheduling: 'lifo' } as const;
    this.#agents = { 'http:': new http.Agent(kept), 'https:': new https.Agent(kept) };
  }

  get target(): string {
    return `${this.#options.user} at ${this.#options.url}`;
  }

  get host(): string {
    return new URL(this.#options.url).host;
  }

  /** Resolves with any HTTP answer, including refusals; rejects with an UnknownOutcomeError when there is none. */
  async request(request: RestRequest, signal: AbortSignal): Promise<RestAnswer> {
    const over = await this.#turn(signal);
    try {
      const leftMs = this.#notBefore - this.#clock.monotonic();
      await sleep(leftMs, signal, this.#clock);
      if (signal.aborted) throw this.#stopped(signal);
      const prepared = await this.#prepare(request);
      try {
        return await this.#exchange(prepared, signal);
      } catch (error) {
        // The server closed an idle connection before our request. Read-only requests can be repeated immediately.
        if (!(error instanceof UnknownOutcomeError) || request.method !== 'GET' || !isStale(error.cause))
          throw error;
        return await this.#exchange(prepared, signal);
      }
    } finally {
      over();
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#agents['http:'].destroy();
    this.#agents['https:'].destroy();
  }

  async #turn(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.#turns.acquire(signal);
    } catch {
      throw this.#stopped(signal);
    }
  }

  async #prepare({ method, path, body }: RestRequest): Promise<Prepared> {
    const { url: site, user, password, caFile } = this.#options;
    const url = new URL(`${site.replace(/\/+$/, '')}/a/${path}`);
    const text = body === null ? null : JSON.stringify(body);
    const headers: Record<string, string | number> = {
      accept: 'application/json',
      authorization: `Basic ${Buffer.from(`${user}:${password()}`).toString('base64')}`,
      'user-agent': 'sos-ci',
    };
    if (text !== null) {
      headers['content-type'] = 'application/json; charset=utf-8';
      headers['content-length'] = Buffer.byteLength(text);
    }
    const ca = caFile === null ? {} : { ca: await readCertificates(caFile, 'gerrit.rest.caFile') };
    const agent = this.#agents[url.protocol === 'https:' ? 'https:' : 'http:'];
    return { url, options: { method, headers, agent, ...ca }, body: text };
  }

  #exchange({ url, options, body }: Prepared, signal: AbortSignal): Promise<RestAnswer> {
    const request = (url.protocol === 'https:' ? https : http).request(url, options);
    let sent = false;
    let reused = false;
    return new Promise<RestAnswer>((resolve, reject) => {
      const fail = (error: unknown): void => {
        const cause = reused && isReset(error) ? new StaleConnection(error) : error;
        const fields = transportFailure(this.target, this.#options, cause, sent);
        reject(new UnknownOutcomeError(fields, sent && options.method === 'POST'));
        request.destroy();
      };
      const after = (delayMs: number, code: string) => this.#clock.after(delayMs, () => fail({ code }));
      const disarm = [
        after(this.#options.requestTimeoutMs, 'answer-timeout'),
        after(this.#options.connectTimeoutMs, 'connect-timeout'),
      ];
      const abort = (): void => fail({ code: 'stopped' });
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
        collect(response, this.#options.answerLimitBytes).then((text) => {
          this.#heed(response);
          resolve(answerOf(response, text));
        }, fail);
      });
      request.end(body ?? undefined);
    });
  }

  /** Obeys Retry-After up to the configured limit: no request is sent before then. */
  #heed(response: http.IncomingMessage): void {
    if (response.statusCode !== 429 && response.statusCode !== 503) return;
    const asked = retryAfterMs(response.headers['retry-after'], this.#clock.now());
    const waitMs = Math.min(asked, this.#options.retryAfterMaxMs);
    this.#notBefore = Math.max(this.#notBefore, this.#clock.monotonic() + waitMs);
  }

  #stopped(signal: AbortSignal): OperationError {
    if (signal.reason instanceof OperationError) return signal.reason;
    return new OperationError(transportFailure(this.target, this.#options, { code: 'stopped' }, false));
  }
}

/** The server closed a kept connection before it received our request. */
class StaleConnection extends Error {
  constructor(cause: unknown) {
    super('the kept connection was closed by the server', { cause });
  }
}

function isStale(cause: unknown): boolean {
  return cause instanceof StaleConnection;
}

function isReset(error: unknown): boolean {
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { readonly code?: unknown };
  return code === 'ECONNRESET' || code === 'EPIPE';
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
    response.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= limitBytes) parts.push(part);
      else reject({ code: 'answer-too-long' });
    });
    response.on('error', reject);
    // The connection can end in the middle of an answer without an error event.
    response.on('close', () => reject({ code: 'answer-cut' }));
    response.on('end', () => {
      if (response.complete) resolve(Buffer.concat(parts).toString('utf8'));
    });
  });
}

function answerOf(response: http.IncomingMessage, text: string): RestAnswer {
  const date = Date.parse(response.headers.date ?? '');
  return {
    status: response.statusCode ?? 0,
    text,
    location: response.headers.location ?? null,
    date: Number.isNaN(date) ? null : date,
  };
}

/** Parses seconds or a date; 0 for neither. */
function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
