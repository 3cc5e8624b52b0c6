/**
 * Client for Gerrit's REST interface: sends one request, returns its status and bounded text, with a timeout on every
 * wait. Only a sent review must be looked up before it is sent again. Connections are kept alive, certificates
 * verified, and redirects not followed.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import { Semaphore } from '../../../semaphore.ts';
import { sleep, timerDelay } from '../../../timer.ts';
import {
  ExchangeError,
  exchange,
  type HttpAnswer,
  type HttpRequest,
  retryAfterMs,
} from '../../run/http-exchange.ts';
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

export class RestClient {
  readonly #options: RestOptions;
  readonly #clock: Clock;
  readonly #slots: Semaphore;
  readonly #agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent };
  /** Monotonic time before which the server asked not to be called. */
  #notBefore = 0;

  constructor(options: RestOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#slots = new Semaphore(options.connections);
    const agentOptions = {
      keepAlive: true,
      timeout: timerDelay(options.idleMs),
      scheduling: 'lifo',
    } as const;
    this.#agents = { 'http:': new http.Agent(agentOptions), 'https:': new https.Agent(agentOptions) };
  }

  get target(): string {
    return `${this.#options.user} at ${this.#options.url}`;
  }

  get host(): string {
    return new URL(this.#options.url).host;
  }

  /**
   * Resolves with any HTTP answer, including refusals.
   * @throws OperationError when there is none; an UnknownOutcomeError if the request was attempted
   */
  async request(request: RestRequest, signal: AbortSignal): Promise<RestAnswer> {
    const release = await this.#acquireSlot(signal);
    try {
      const leftMs = this.#notBefore - this.#clock.monotonic();
      await sleep(leftMs, signal, this.#clock);
      if (signal.aborted) throw this.#stopped(signal);
      const prepared = await this.#prepare(request);
      try {
        return await this.#exchange(prepared, signal);
      } catch (error) {
        // The server closed an idle connection before our request. Read-only requests can be repeated immediately.
        if (request.method !== 'GET' || !isStale(error)) throw error;
        return await this.#exchange(prepared, signal);
      }
    } finally {
      release();
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#agents['http:'].destroy();
    this.#agents['https:'].destroy();
  }

  async #acquireSlot(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.#slots.acquire(signal);
    } catch {
      throw this.#stopped(signal);
    }
  }

  async #prepare({ method, path, body }: RestRequest): Promise<HttpRequest> {
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

  async #exchange(prepared: HttpRequest, signal: AbortSignal): Promise<RestAnswer> {
    try {
      const answer = await exchange(prepared, this.#options, this.#clock, signal);
      this.#obeyRetryAfter(answer);
      return answerOf(answer);
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      const fields = transportFailure(this.target, this.#options, error, error.sent);
      throw new UnknownOutcomeError(fields, error.sent && prepared.options.method === 'POST');
    }
  }

  /** Obeys Retry-After up to the configured limit: no request is sent before then. */
  #obeyRetryAfter({ status, headers }: HttpAnswer): void {
    if (status !== 429 && status !== 503) return;
    const requestedMs = retryAfterMs(headers['retry-after'], this.#clock.now());
    const waitMs = Math.min(requestedMs, this.#options.retryAfterMaxMs);
    this.#notBefore = Math.max(this.#notBefore, this.#clock.monotonic() + waitMs);
  }

  #stopped(signal: AbortSignal): OperationError {
    if (signal.reason instanceof OperationError) return signal.reason;
    return new OperationError(transportFailure(this.target, this.#options, { code: 'stopped' }, false));
  }
}

/** The server closed a kept connection before it received our request. */
function isStale(error: unknown): boolean {
  return (
    error instanceof UnknownOutcomeError &&
    error.cause instanceof ExchangeError &&
    error.cause.code === 'stale'
  );
}

function answerOf({ status, headers, text }: HttpAnswer): RestAnswer {
  const date = Date.parse(headers.date ?? '');
  return { status, text, location: headers.location ?? null, date: Number.isNaN(date) ? null : date };
}
