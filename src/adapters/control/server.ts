/**
 * Server of the control socket, for this user only, with one request and one answer per connection. Requests are
 * bounded in bytes and time. When there are too many connections, the one that has been silent for longest is closed.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../engine/ports/adapters.ts';
import { type Operators, Refused } from '../../engine/ports/operator-api.ts';
import { errorText, OperationError } from '../../errors.ts';
import { plainText } from '../../terminal-text.ts';
import { type Address, openAddress } from './address.ts';
import { REQUEST_LIMIT_BYTES, type Refusal, readRequest } from './messages.ts';

export interface ControlServerOptions {
  readonly stateDir: string;
  readonly operators: Operators;
  readonly clock: Clock;
  /** Time limit for receiving the request, and separately for sending the answer. */
  readonly timeoutMs: number;
  /** Maximum number of concurrent connections. */
  readonly clientLimit: number;
}

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  /** Connections without a complete request, oldest first. */
  readonly #silent = new Set<Socket>();
  readonly #connections = new Set<Socket>();
  #address: Address | null = null;
  #stopping = false;

  constructor(options: ControlServerOptions) {
    this.#options = options;
    // Clients may half-close the connection after the request.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#connected(socket));
  }

  /**
   * Starts listening. Removes the socket of an earlier daemon, so the caller must hold the daemon's lock.
   * @throws OperationError
   */
  async start(): Promise<void> {
    this.#address = openAddress(this.#options.stateDir);
    const { path, shown } = this.#address;
    try {
      removeStaleSocket(path);
      await this.#listen(path);
      chmodSync(path, 0o600);
    } catch (thrown) {
      await this.stop();
      throw new OperationError({
        operation: 'open control socket',
        target: shown,
        message: errorText(thrown),
        retryable: false,
        hint: 'stateDir must be on a local file system that supports sockets, and nothing else may have this name',
        cause: thrown,
      });
    }
  }

  /** Stops accepting and answering requests and removes the socket. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const socket of this.#connections) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
    this.#address?.close();
    this.#address = null;
  }

  /** Creates the socket so that other users cannot connect, even before its mode is set. */
  #listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const previousMask = process.umask(0o177);
      try {
        this.#server.listen(path, () => {
          this.#server.off('error', reject);
          resolve();
        });
      } finally {
        process.umask(previousMask);
      }
    });
  }

  #connected(socket: Socket): void {
    // A client may disconnect at any time.
    socket.on('error', () => {});
    this.#connections.add(socket);
    this.#silent.add(socket);
    if (this.#connections.size > this.#options.clientLimit) {
      const [longest] = this.#silent;
      if (longest !== undefined) this.#silent.delete(longest);
      longest?.destroy();
    }
    const cancel = this.#options.clock.after(this.#options.timeoutMs, () => socket.destroy());
    const read = lineReader((line) => {
      cancel();
      this.#silent.delete(socket);
      // Further input is not read.
      socket.pause();
      void this.#answer(socket, line);
    });
    socket.on('data', read);
    // The client can no longer send a request.
    socket.on('end', () => {
      if (this.#silent.has(socket)) socket.destroy();
    });
    socket.on('close', () => {
      cancel();
      this.#silent.delete(socket);
      this.#connections.delete(socket);
    });
  }

  async #answer(socket: Socket, line: string | null): Promise<void> {
    const answer = await this.#answerTo(line);
    if (answer === null || socket.destroyed) {
      socket.destroy();
      return;
    }
    const cancel = this.#options.clock.after(this.#options.timeoutMs, () => socket.destroy());
    socket.on('close', cancel);
    socket.end(`${JSON.stringify(answer)}\n`, () => socket.destroySoon());
  }

  /** Null: send no answer. */
  async #answerTo(line: string | null): Promise<object | null> {
    if (line === null) return refused('misunderstood', 'the request is too long', 'send a smaller request');
    const request = readRequest(line);
    if ('wrong' in request) {
      const hint = 'use the sos-ci of the same release as the daemon';
      return refused('misunderstood', `the request cannot be parsed: ${request.wrong}`, hint);
    }
    const operator = { who: plainText(request.who), why: plainText(request.why) };
    try {
      const result = await this.#options.operators.perform(request.request, operator);
      return { ok: true, result };
    } catch (thrown) {
      if (thrown instanceof Refused) return refused(thrown.kind, thrown.message, thrown.hint);
      if (thrown instanceof OperationError)
        return refused('refused', `${thrown.operation}: ${thrown.message}`, thrown.hint);
      // The stop interrupted the request before it was logged, so it is not confirmed.
      if (this.#stopping) return null;
      throw thrown;
    }
  }
}

function refused(kind: Refusal['kind'], message: string, hint: string): object {
  return { ok: false, refusal: { kind, message, hint } satisfies Refusal };
}

/** Removes the socket of a dead daemon. Any other file with that name stays, and listening fails. */
function removeStaleSocket(path: string): void {
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if (existing?.isSocket()) rmSync(path, { force: true });
}

/** Calls `onLine` once: with the first line, or with null when no line ends within the limit. */
function lineReader(onLine: (line: string | null) => void): (chunk: Buffer) => void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let finished = false;
  return (chunk) => {
    if (finished) return;
    const end = chunk.indexOf(0x0a);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    chunks.push(part);
    bytes += part.length;
    finished = end >= 0 || bytes > REQUEST_LIMIT_BYTES;
    if (finished) onLine(bytes > REQUEST_LIMIT_BYTES ? null : Buffer.concat(chunks).toString('utf8'));
  };
}
