/**
 * A session with an OpenStack cloud. It logs in when first needed, renews the token before it expires and once after a
 * 401, finds each service in the catalogue, and checks the microversion. A GET, a login or an upload is repeated a
 * bounded number of times; any other request only after a 401, which proves that it had no effect.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { AbortedError, throwIfAborted, unlessAborted } from '../../../errors.ts';
import { Semaphore } from '../../../semaphore.ts';
import { sleep } from '../../../timer.ts';
import { ExchangeError, exchange, type HttpAnswer } from '../../run/http-exchange.ts';
import { readCertificates } from '../../tls/certificates.ts';
import { endpointOf, versionRoot } from './catalogue.ts';
import type { Credentials } from './credentials.ts';
import { isOffered, type Microversions, parseMicroversions } from './microversion.ts';
import { proxyFor, TunnelAgent, throughProxy } from './proxy.ts';
import { badResponse, type RequestContext, refusalOf, transportRefusal } from './refusal.ts';
import {
  CloudError,
  type CloudRequest,
  type CloudResponse,
  type CloudScope,
  type CloudSession,
  type Service,
} from './session.ts';
import { parseToken, type Token } from './token.ts';

const LIMITS = {
  connectTimeoutMs: 10_000,
  /** Creating a server can take Nova some 30 s under load. */
  requestTimeoutMs: 60_000,
  /** A slower line is not worth a connection: 100 kB a second. */
  minUploadBytesPerMs: 100,
  /** A call with all its repetitions. */
  callTimeoutMs: 180_000,
  /** A thousand servers with all details take about 3 MB. */
  answerLimitBytes: 16 * 1024 * 1024,
  /** Apache closes an idle connection after 5 s by default. */
  idleMs: 4_000,
  /** Requests at the same time; further ones wait. */
  requests: 16,
  /** Repetitions of a GET, a login or an upload. Each wait is twice the previous one. */
  repetitions: 4,
  firstWaitMs: 500,
  /** A token is renewed this long before it expires, but not before three quarters of its lifetime. */
  renewBeforeMs: 300_000,
} as const;

interface Login {
  readonly credentials: Credentials;
  readonly token: Token;
  /** Monotonic. */
  readonly renewAt: number;
  microversions: Microversions | null;
}

interface Call {
  readonly context: RequestContext;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly content?: CloudRequest['content'] | undefined;
  /** May be repeated: it changes nothing, or only once. */
  readonly repeatable: boolean;
}

export class KeystoneSession implements CloudSession {
  readonly #read: () => Credentials;
  readonly #clock: Clock;
  readonly #slots = new Semaphore(LIMITS.requests);
  readonly #closing = new AbortController();
  readonly #agents = new Map<string, http.Agent>();
  #login: Login | null = null;
  #loggingIn: Promise<Login> | null = null;

  /** @param read called for each login, so that an operator's fix takes effect at once */
  constructor(read: () => Credentials, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  async login(signal: AbortSignal): Promise<CloudScope> {
    const { credentials, token } = await this.#current(signal);
    const { projectId, projectName, domainName, userId, userName } = token;
    return {
      projectId: projectId ?? '',
      projectName: projectName ?? '',
      domainName: domainName ?? '',
      userId,
      userName,
      region: credentials.region,
      authUrl: credentials.authUrl,
    };
  }

  async request(service: Service, request: CloudRequest, signal: AbortSignal): Promise<CloudResponse> {
    const login = await this.#current(signal);
    try {
      return await this.#send(service, request, login, signal);
    } catch (error) {
      if (!(error instanceof CloudError)) throw error;
      // Without an answer, the next login reads the catalogue again: the endpoint may have moved.
      const forget = error.kind === 'unauthorized' || error.kind === 'unreachable';
      if (forget && this.#login === login) this.#login = null;
      if (error.kind !== 'unauthorized') throw error;
      return await this.#send(service, request, await this.#current(signal), signal);
    }
  }

  close(): void {
    this.#closing.abort();
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async #send(
    service: Service,
    { method, path, query = {}, body, content, headers: more, text, microversion }: CloudRequest,
    login: Login,
    signal: AbortSignal,
  ): Promise<CloudResponse> {
    const { credentials, token } = login;
    const endpoint = endpointOf(service, token, credentials);
    if (microversion !== undefined) await this.#checkMicroversion(endpoint, microversion, login, signal);
    const url = new URL(`${endpoint}/${path}`);
    for (const [name, value] of Object.entries(query)) {
      for (const item of typeof value === 'string' ? [value] : value) url.searchParams.append(name, item);
    }
    const context = contextOf(`${method} ${path}`, method, `${service} at ${url.host}`, credentials, token);
    const headers = {
      'x-auth-token': token.value,
      ...(microversion === undefined ? {} : { 'openstack-api-version': `compute ${microversion}` }),
      ...more,
    };
    const repeatable = method === 'GET' || content !== undefined;
    const call = { context, url, headers, body, content, repeatable };
    const answer = await this.#call(call, credentials, signal);
    return responseOf(context, answer, text);
  }

  /** The valid login; callers share one that is in progress. */
  async #current(signal: AbortSignal): Promise<Login> {
    throwIfAborted(signal, 'log in', 'OpenStack');
    if (this.#login !== null && this.#clock.monotonic() < this.#login.renewAt) return this.#login;
    this.#loggingIn ??= this.#logIn().finally(() => {
      this.#loggingIn = null;
    });
    return unlessAborted(this.#loggingIn, signal, 'log in', 'OpenStack');
  }

  async #logIn(): Promise<Login> {
    const credentials = this.#read();
    const url = new URL(`${credentials.authUrl}/auth/tokens`);
    // Keystone answers 404 when the application credential was deleted.
    const context: RequestContext = {
      ...contextOf('log in', 'GET', `identity at ${url.host}`, credentials, null),
      notFound: 'unauthorized',
    };
    const started = this.#clock.monotonic();
    const body = { auth: credentials.request };
    const call = { context, url, headers: {}, body, repeatable: true };
    const answer = await this.#call(call, credentials, this.#closing.signal);
    const { body: document } = responseOf(context, answer);
    const value = answer.headers['x-subject-token'];
    const token = parseToken(typeof value === 'string' ? value : '', document);
    if (token === null) throw badResponse(context, answer.status, 'no token', '');
    if (token.projectId === null) {
      throw new CloudError({
        kind: 'unauthorized',
        operation: context.operation,
        target: context.target,
        message: 'the token is not scoped to a project',
        hint: `add project_name (OS_PROJECT_NAME) to ${credentials.source}`,
        status: answer.status,
        mayHaveHappened: false,
      });
    }
    const life = token.lifetimeMs ?? Number.POSITIVE_INFINITY;
    const renewAt = started + life - Math.min(LIMITS.renewBeforeMs, life / 4);
    this.#login = {
      credentials,
      token,
      renewAt: Number.isNaN(renewAt) ? life : renewAt,
      microversions: null,
    };
    return this.#login;
  }

  async #checkMicroversion(
    endpoint: string,
    wanted: string,
    login: Login,
    signal: AbortSignal,
  ): Promise<void> {
    const { credentials, token } = login;
    const url = new URL(versionRoot(endpoint));
    const context: RequestContext = {
      ...contextOf('read API versions', 'GET', `compute at ${url.host}`, credentials, token),
      notFound: 'bad-response',
    };
    if (login.microversions === null) {
      const call = {
        context,
        url,
        headers: { 'x-auth-token': token.value },
        body: undefined,
        repeatable: true,
      };
      const answer = await this.#call(call, credentials, signal);
      login.microversions = parseMicroversions(parseBody(context, answer));
    }
    const offered = login.microversions;
    if (offered !== null && isOffered(wanted, offered)) return;
    const has = offered === null ? 'no microversions' : `${offered.min} to ${offered.max}`;
    throw new CloudError({
      kind: 'bad-request',
      operation: context.operation,
      target: context.target,
      message: `the cloud offers ${has}, and sos-ci needs ${wanted}`,
      hint: 'the cloud needs a newer Nova',
      status: 406,
      mayHaveHappened: false,
    });
  }

  /** Resolves for 2xx, and for 300 of a version document. */
  async #call(call: Call, credentials: Credentials, signal: AbortSignal): Promise<HttpAnswer> {
    const { context } = call;
    const endsAt = this.#clock.monotonic() + LIMITS.callTimeoutMs + uploadMs(call);
    for (let repetition = 0; ; repetition += 1) {
      try {
        return await this.#exchange(call, credentials, endsAt, signal);
      } catch (error) {
        if (!(error instanceof CloudError) || !call.repeatable || !isTemporary(error)) throw error;
        const waitMs = Math.max(LIMITS.firstWaitMs * 2 ** repetition, error.retryAfterMs ?? 0);
        if (repetition >= LIMITS.repetitions || this.#clock.monotonic() + waitMs >= endsAt) throw error;
        await sleep(waitMs, signal, this.#clock);
        if (signal.aborted) throw new AbortedError(context.operation, context.target, error);
      }
    }
  }

  async #exchange(
    call: Call,
    credentials: Credentials,
    endsAt: number,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { context, url, content } = call;
    const text = call.body === undefined ? null : JSON.stringify(call.body);
    const method = call.context.operation === 'log in' ? 'POST' : context.method;
    const headers: Record<string, string | number> = {
      accept: 'application/json',
      'user-agent': 'sos-ci',
      ...call.headers,
      ...(text === null
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      ...(content === undefined ? {} : { 'content-length': content.bytes }),
    };
    const proxy = proxyFor(url, credentials.environment);
    const plain = proxy !== null && url.protocol === 'http:' ? throughProxy(url, proxy) : {};
    const { caFile, caFileField } = credentials;
    const ca = caFile === null ? {} : { ca: await readCertificates(caFile, caFileField) };
    const options = {
      method,
      ...plain,
      headers: { ...headers, ...plain.headers },
      agent: this.#agent(url, proxy, call.repeatable && method !== 'POST'),
      ...ca,
    };
    const release = await this.#slots.acquire(signal).catch(() => null);
    if (release === null) throw new AbortedError(context.operation, context.target);
    try {
      const leftMs = Math.max(1, endsAt - this.#clock.monotonic());
      const requestTimeoutMs = Math.min(LIMITS.requestTimeoutMs + uploadMs(call), leftMs);
      const body = content === undefined ? text : content.open();
      const limits = { ...LIMITS, requestTimeoutMs };
      const answer = await exchange({ url, options, body }, limits, this.#clock, signal);
      const { status } = answer;
      if ((status >= 200 && status < 300) || (status === 300 && context.operation === 'read API versions'))
        return answer;
      throw refusalOf(context, answer, this.#clock.now());
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      if (error.code === 'stopped') throw new AbortedError(context.operation, context.target);
      throw transportRefusal(context, error);
    } finally {
      release();
    }
  }

  /**
   * Only what may be repeated uses a kept connection: the server may close it at the moment when we use it, and whether it
   * had the request is then unknown.
   */
  #agent(url: URL, proxy: URL | null, keepAlive: boolean): http.Agent {
    const tunnel = proxy !== null && url.protocol === 'https:' ? proxy : null;
    const key = [url.protocol, tunnel?.href ?? '', keepAlive].join(' ');
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const options = { keepAlive, timeout: LIMITS.idleMs, scheduling: 'lifo' } as const;
    const agent =
      tunnel !== null
        ? new TunnelAgent(tunnel, options)
        : new (url.protocol === 'https:' ? https : http).Agent(options);
    this.#agents.set(key, agent);
    return agent;
  }
}

function contextOf(
  operation: string,
  method: CloudRequest['method'],
  target: string,
  credentials: Credentials,
  token: Token | null,
): RequestContext {
  const { source, caFileField } = credentials;
  const secrets = [...credentials.secrets, ...(token === null ? [] : [token.value])];
  return { operation, method, target, source, caFileField, secrets };
}

/** A failure that may go away without intervention. */
function isTemporary({ status, retryable }: CloudError): boolean {
  return retryable && (status === null || status >= 500 || status === 429 || status === 408);
}

/** The additional time for the content of a request. */
function uploadMs({ content }: Call): number {
  return content === undefined ? 0 : content.bytes / LIMITS.minUploadBytesPerMs;
}

function responseOf(context: RequestContext, answer: HttpAnswer, text = false): CloudResponse {
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) {
    if (typeof value === 'string') headers.set(name, value);
  }
  return { status: answer.status, headers, body: text ? answer.text : parseBody(context, answer) };
}

function parseBody(context: RequestContext, { status, text }: HttpAnswer): unknown {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw badResponse(context, status, 'a body that is not JSON', text);
  }
}
