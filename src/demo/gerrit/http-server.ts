/**
 * The REST server of the embedded Gerrit: HTTP on loopback with passwords and keep-alive. Simulates failures of servers and
 * proxies: refused, silent or broken connections, and late, missing or unexpected responses.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { handleRequest, isReview, type RestCall, type RestReply } from './rest-routes.ts';
import type { ReviewFaults } from './review-faults.ts';
import type { GerritAccount, GerritState } from './state.ts';

const MAX_BODY_BYTES = 1024 * 1024;
/** Gerrit's prefix against cross-site script inclusion. */
const JSON_PREFIX = ")]}'\n";

export interface HttpServerOptions {
  readonly state: GerritState;
  readonly version: string;
  readonly faults: ReviewFaults;
  /** Called for each request with `USER: METHOD PATH`. */
  readonly onRequest: (line: string) => void;
}

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;
  #silent = false;
  /** The number of connections so far. */
  connected = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens on a free port the first time, and on the same port afterwards. */
  open(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on('connection', (socket) => this.#enter(socket));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.on('error', reject);
      server.listen(this.#port, '127.0.0.1', () => {
        const address = server.address();
        if (address !== null && typeof address === 'object') this.#port = address.port;
        resolve();
      });
    });
  }

  /** Refuses new connections; open ones stay. */
  refuse(): void {
    this.#server?.close();
    this.#server = null;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops responding without closing connections. */
  setSilent(silent: boolean): void {
    this.#silent = silent;
    for (const socket of this.#sockets) silent ? socket.pause() : socket.resume();
  }

  #enter(socket: Socket): void {
    this.connected += 1;
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.#silent) socket.pause();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://gerrit');
    const { username, account } = this.#login(request.headers.authorization ?? '');
    const method = request.method ?? '';
    this.#options.onRequest(`${username}: ${method} ${request.url}`);
    const named = /^\/a(?=\/)/.test(url.pathname);
    const path = url.pathname.replace(/^\/a(?=\/)/, '');
    const body = await readAll(request);
    if (named && account === null) {
      response.setHeader('www-authenticate', 'Basic realm="Gerrit Code Review"');
      return reply(response, { status: 401, body: 'Unauthorized' });
    }
    const call: RestCall = { method, path, query: url.searchParams, body, account: named ? account : null };
    if (!isReview(method, path)) return reply(response, this.#result(call));
    await this.#review(call, response);
  }

  async #review(call: RestCall, response: ServerResponse): Promise<void> {
    const fault = this.#options.faults.next();
    if (fault?.kind === 'fail') return reply(response, { status: 500, body: fault.stderr });
    if (fault?.kind === 'response') {
      for (const [name, value] of Object.entries(fault.headers)) response.setHeader(name, value);
      if (fault.applied) this.#result(call);
      response.statusCode = fault.status;
      response.end(fault.text);
      return;
    }
    if (fault?.kind === 'hold' && fault.at === 'before-applied') {
      fault.reach();
      await fault.resume;
    }
    const result = this.#result(call);
    if (fault?.kind === 'hold' && fault.at === 'after-applied') {
      fault.reach();
      await fault.resume;
    }
    if (fault?.kind === 'drop-response') {
      fault.reach();
      response.socket?.destroy();
      return;
    }
    reply(response, result);
  }

  #result(call: RestCall): RestReply {
    return handleRequest(this.#options.state, this.#options.version, call);
  }

  #login(authorization: string): { readonly username: string; readonly account: GerritAccount | null } {
    const [, encoded = ''] = /^Basic (.+)$/.exec(authorization) ?? [];
    const [, username = '', password = ''] =
      /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
    const account = this.#options.state.accounts.get(username);
    const valid = password !== '' && account?.httpPassword === password;
    return { username, account: valid ? (account ?? null) : null };
  }
}

function reply(response: ServerResponse, { status, body }: RestReply): void {
  const plain = status !== 200;
  response.statusCode = status;
  response.setHeader('content-type', plain ? 'text/plain;charset=utf-8' : 'application/json;charset=utf-8');
  response.end(plain ? `${body}\n` : `${JSON_PREFIX}${JSON.stringify(body)}\n`);
}

function readAll(request: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= MAX_BODY_BYTES) parts.push(part);
    });
    request.on('end', () => resolve(Buffer.concat(parts).toString('utf8')));
    // A truncated request is rejected as invalid JSON; the client is gone.
    request.on('close', () => resolve(Buffer.concat(parts).toString('utf8')));
  });
}
