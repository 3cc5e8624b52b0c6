/**
 * Server of the control socket, for this user only, with one question and one answer per connection. Questions are
 * bounded in bytes and time. When there are too many connections, the one that has been silent for longest is closed.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../engine/ports/adapters.ts';
import { type Operators, Refused } from '../../engine/ports/operator-api.ts';
import { errorText, OperationError } from '../../errors.ts';
import { plainText } from '../../terminal-text.ts';
import { type Address, openAddress } from './address.ts';
import { REQUEST_LIMIT_BYTES, type Refusal, readQuestion } from './messages.ts';

export interface ControlServerOptions {
  readonly stateDir: string;
  readonly operators: Operators;
  readonly clock: Clock;
  /** Time limit for receiving the question, and separately for sending the answer. */
  readonly timeoutMs: number;
  /** Maximum number of concurrent connections. */
  readonly clientLimit: number;
}

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  /** Connections without a complete question, oldest first. */
  readonly #silent = new Set<Socket>();
  readonly #connections = new Set<Socket>();
  #address: Address | null = null;
  #stopping = false;

  constructor(options: ControlServerOptions) {
    this.#options = options;
    // Clients may half-close the connection after the question.
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
      clear(path);
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

  /** Stops accepting and answering questions and removes the socket. Idempotent. */
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
      const before = process.umask(0o177);
      try {
        this.#server.listen(path, () => {
          this.#server.off('error', reject);
          resolve();
        });
      } finally {
        process.umask(before);
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
    // The client can no longer send a question.
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
    if (line === null) return refused('misunderstood', 'the question is too long', 'ask for less at a time');
    const question = readQuestion(line);
    if ('wrong' in question) {
      const hint = 'use the sos-ci of the same release as the daemon';
      return refused('misunderstood', `the question is not understood: ${question.wrong}`, hint);
    }
    const operator = { who: plainText(question.who), why: plainText(question.why) };
    try {
      const result = await this.#options.operators.perform(question.request, operator);
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
function clear(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isSocket()) rmSync(path, { force: true });
}

/** Calls `take` once: with the first line, or with null when no line ends within the limit. */
function lineReader(take: (line: string | null) => void): (chunk: Buffer) => void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let taken = false;
  return (chunk) => {
    if (taken) return;
    const end = chunk.indexOf(0x0a);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    chunks.push(part);
    bytes += part.length;
    taken = end >= 0 || bytes > REQUEST_LIMIT_BYTES;
    if (taken) take(bytes > REQUEST_LIMIT_BYTES ? null : Buffer.concat(chunks).toString('utf8'));
  };
}
