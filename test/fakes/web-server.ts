/**
 * A web server on loopback with scripted answers for each request, with or without TLS. Counts connections, and can cut
 * them, be silent, or truncate an answer.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import type { Certificate } from './certificate.ts';

export interface WebCall {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  readonly response: http.ServerResponse;
  /** Cuts the connection at once. */
  cut(): void;
}

export class WebServer {
  /** Requests so far. */
  readonly calls: WebCall[] = [];
  connections = 0;
  answer: (call: WebCall) => void = ({ response }) => response.end('ok');
  readonly #server: http.Server;
  readonly #sockets = new Set<Socket>();
  readonly #secure: boolean;
  #waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  private constructor(certificate: Certificate | null) {
    const listener: http.RequestListener = (request, response) => void this.#serve(request, response);
    this.#secure = certificate !== null;
    this.#server =
      certificate === null ? http.createServer(listener) : https.createServer(certificate, listener);
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(certificate: Certificate | null = null): Promise<WebServer> {
    const started = new WebServer(certificate);
    await new Promise<void>((resolve) => started.#server.listen(0, '127.0.0.1', resolve));
    return started;
  }

  get url(): string {
    const address = this.#server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return `${this.#secure ? 'https' : 'http'}://127.0.0.1:${port}`;
  }

  /** Resolves when this many requests have arrived. */
  called(count: number): Promise<void> {
    if (this.calls.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ count, resolve }));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method = '', url = '', headers, socket } = request;
    const body = Buffer.concat(parts).toString('utf8');
    const call: WebCall = { method, url, headers, body, response, cut: () => socket.destroy() };
    this.calls.push(call);
    const ready = this.#waiters.filter(({ count }) => this.calls.length >= count);
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
    this.answer(call);
  }
}
