/**
 * The daemon's side of the control socket: for this user alone, one question and one answer for each connection. Who
 * says nothing, too much or nonsense costs nobody anything: questions are bounded in bytes and time, and when there are
 * too many connections the one that has been silent for longest goes.
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
  /** For one question to come in, and again for its answer to be taken. */
  readonly timeoutMs: number;
  /** Connections at the same time. */
  readonly clientLimit: number;
}

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  /** Connections without a whole question yet, the oldest first. */
  readonly #silent = new Set<Socket>();
  readonly #connections = new Set<Socket>();
  #address: Address | null = null;
  #stopping = false;

  constructor(options: ControlServerOptions) {
    this.#options = options;
    // A client may close its side once it has asked.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#connected(socket));
  }

  /**
   * Listens. What an earlier daemon left behind is taken away, so the caller must hold the daemon's lock.
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
        hint: 'stateDir must be on a local file system that knows sockets, and nothing else may have this name',
        cause: thrown,
      });
    }
  }

  /** Takes no more questions and answers none; the socket is gone afterwards. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const socket of this.#connections) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
    this.#address?.close();
    this.#address = null;
  }

  /** Nobody else may connect, also not in the moment before the mode is set. */
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
    // A client that goes away is its own affair.
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
      // Whatever else it sends is not read.
      socket.pause();
      void this.#answer(socket, line);
    });
    socket.on('data', read);
    // It will ask nothing any more.
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

  /** Null: there is nothing to say any more. */
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
      // What a stop cut off is not in the log, and nobody is told that it was.
      if (this.#stopping) return null;
      throw thrown;
    }
  }
}

function refused(kind: Refusal['kind'], message: string, hint: string): object {
  return { ok: false, refusal: { kind, message, hint } satisfies Refusal };
}

/** Takes away the socket of a daemon that is gone. Anything else of that name stays, and listening will fail. */
function clear(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isSocket()) rmSync(path, { force: true });
}

/** Calls `take` once: with the first line, or with null when there is none within the limit. */
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
