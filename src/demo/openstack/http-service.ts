/**
 * One HTTP server of the embedded OpenStack, on loopback. Its port can be closed and opened again; its answers can be
 * complete, truncated, missing or late.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { items } from './reply.ts';

const MAX_BODY_BYTES = 4 * 1024 * 1024;

export interface Tls {
  readonly key: string;
  readonly cert: string;
}

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Parsed JSON; null without a body or when it is not JSON. */
  readonly body: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Send the first half of the text, then close. */
  readonly cut?: boolean;
}

/** `close`: no answer. A promise that stays pending is a call that hangs. */
export type Serve = (request: HttpRequest) => Promise<HttpAnswer | 'close'>;

export class HttpService {
  readonly #serve: Serve;
  readonly #tls: Tls | null;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;

  constructor(serve: Serve, tls: Tls | null) {
    this.#serve = serve;
    this.#tls = tls;
  }

  get origin(): string {
    return `${this.#tls === null ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  /** Listens on a free port the first time, and on the same port afterwards. */
  open(): Promise<void> {
    if (this.#server !== null) return Promise.resolve();
    const handle = (request: IncomingMessage, response: ServerResponse) =>
      void this.#answer(request, response);
    const server = this.#tls === null ? createHttpServer(handle) : createHttpsServer(this.#tls, handle);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
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

  /** Closes the port and all connections. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readJson(request).catch(() => null);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(items(value)[0] ?? value)]),
    );
    const url = new URL(request.url ?? '/', this.origin);
    const answer = await this.#serve({ method: request.method ?? '', url, headers, body });
    if (answer === 'close') {
      response.socket?.destroy();
      return;
    }
    const { status, headers: extra, text, cut = false } = answer;
    for (const [name, value] of Object.entries(extra)) response.setHeader(name, value);
    response.statusCode = status;
    const bytes = Buffer.from(text);
    if (status !== 204) response.setHeader('content-length', bytes.length);
    if (!cut) {
      response.end(status === 204 ? undefined : bytes);
      return;
    }
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.socket?.destroy());
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return bytes === 0 ? null : JSON.parse(Buffer.concat(chunks).toString());
}
