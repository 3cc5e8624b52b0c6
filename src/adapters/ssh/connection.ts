/**
 * One SSH connection to a node: host key pinned, our key alone offered, no forwarding, every wait bounded. It promises that
 * `close` really ends it, and that whoever waits for something on it hears when it is gone.
 */
import { Socket } from 'node:net';
import type { ClientChannel, ServerHostKeyAlgorithm } from 'ssh2';
import ssh2 from 'ssh2';
import type { SshConfig } from '../../config/config.ts';
import { OperationError } from '../../errors.ts';
import { inMyName } from '../openssh/whose.ts';
import { type NodeAddress, nodeName } from './address.ts';
import { connectFailure, givenUp, lostConnection } from './connection-failure.ts';
import type { PinnedKey } from './pinned-key.ts';

export interface Access {
  readonly address: NodeAddress;
  readonly privateKey: Buffer;
  readonly pinned: PinnedKey;
  readonly config: SshConfig;
}

/** How long the other side may take part in a polite end. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Words of ours: no shell that a user may have on a node does anything with these letters. */
const WORD = /^[A-Za-z0-9_@%+=:,./-]+$/;

export class SshConnection {
  readonly target: string;
  readonly #client: ssh2.Client;
  readonly #socket: Socket;
  readonly #onClosed = new Set<(error: OperationError) => void>();
  #end: OperationError | null = null;
  #closing = false;

  private constructor(client: ssh2.Client, socket: Socket, target: string) {
    this.#client = client;
    this.#socket = socket;
    this.target = target;
    let cause: unknown = null;
    client.on('error', (error) => {
      cause ??= error;
    });
    client.once('close', () => {
      this.#end = this.#closing ? givenUp('use node', target) : lostConnection(target, cause);
      for (const listener of this.#onClosed) listener(this.#end);
      this.#onClosed.clear();
    });
  }

  /** Rejects with `Away` for what may mend itself, and with another OperationError for what does not. */
  static open(access: Access, signal: AbortSignal): Promise<SshConnection> {
    const { address, config } = access;
    const target = nodeName(address);
    if (signal.aborted) return Promise.reject(givenUp('connect to node', target));
    const socket = new Socket();
    const client = new ssh2.Client();
    const connection = new SshConnection(client, socket, target);
    return new Promise((resolve, reject) => {
      const seen = { refused: null as OperationError | null, judged: false };
      let settled = false;
      const finish = (error: OperationError | null): void => {
        if (settled) return;
        settled = true;
        clearTimeout(late);
        signal.removeEventListener('abort', abort);
        if (error === null) {
          resolve(connection);
          return;
        }
        socket.destroy();
        // Only when the socket is gone may the caller try again: never two connections.
        connection.onClosed(() => reject(error));
      };
      const failed = (error: unknown) =>
        finish(seen.refused ?? connectFailure(address, config, error, seen.judged));
      const abort = (): void => finish(givenUp('connect to node', target));
      const late = setTimeout(() => failed({ level: 'client-timeout' }), config.connectTimeoutMs);
      client.on('error', failed);
      client.once('close', () => failed(null));
      client.once('ready', () => finish(null));
      signal.addEventListener('abort', abort, { once: true });
      socket.setNoDelay(true);
      socket.connect({ host: address.host, port: address.port });
      client.connect(clientOptions(access, socket, seen));
    });
  }

  /**
   * Starts a command of our own words. `attach` is called in the same turn in which its channel opens, so that nothing
   * it says is missed, and in the caller's name. Rejects when the channel could not be opened.
   */
  start(words: readonly string[], attach: (channel: ClientChannel) => void): Promise<void> {
    const odd = words.find((word) => !WORD.test(word));
    if (odd !== undefined) throw new Error(`not a word for a command line: ${JSON.stringify(odd)}`);
    const listen = inMyName(attach);
    return this.#ask((done) =>
      this.#client.exec(words.join(' '), (error, channel) => {
        if (error === undefined) listen(channel);
        done(error, undefined);
      }),
    );
  }

  /** A new SFTP session. */
  openSftp(): Promise<ssh2.SFTPWrapper> {
    return this.#ask((done) => this.#client.sftp(done));
  }

  get isOpen(): boolean {
    return this.#end === null && !this.#closing;
  }

  /** Calls `listener` when the socket is gone, at once when it is gone already. The returned function takes it back. */
  onClosed(listener: (error: OperationError) => void): () => void {
    if (this.#end !== null) listener(this.#end);
    else this.#onClosed.add(listener);
    return () => this.#onClosed.delete(listener);
  }

  /** Resolves when the socket is gone, a second at most. */
  async close(): Promise<void> {
    this.#closing = true;
    const late = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS);
    this.#client.end();
    await new Promise<void>((resolve) => {
      this.onClosed(() => resolve());
    });
    clearTimeout(late);
  }

  #ask<T>(ask: (done: (error: Error | undefined, answer: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const forget = this.onClosed(reject);
      try {
        ask((error, answer) => {
          forget();
          // The connection may stand, and the node refuse one more channel: that too may be otherwise in a moment.
          if (error !== undefined) reject(this.#end ?? lostConnection(this.target, error));
          else resolve(answer);
        });
      } catch (error) {
        forget();
        reject(this.#end ?? lostConnection(this.target, error));
      }
    });
  }
}

function clientOptions(
  access: Access,
  socket: Socket,
  seen: { refused: OperationError | null; judged: boolean },
): ssh2.ConnectConfig {
  const { address, config, pinned, privateKey } = access;
  return {
    sock: socket,
    username: address.user,
    privateKey,
    authHandler: ['publickey'],
    readyTimeout: 0,
    keepaliveInterval: config.keepaliveMs,
    keepaliveCountMax: config.keepaliveMax,
    algorithms: { serverHostKey: [...pinned.algorithms] as ServerHostKeyAlgorithm[] },
    hostVerifier: (presented: Buffer, verify: (permitted: boolean) => void) => {
      // Not valid any more once this returns.
      const key = Buffer.from(presented);
      pinned.judge(key).then(
        (refusal) => {
          seen.judged = refusal === null;
          seen.refused = refusal;
          verify(refusal === null);
        },
        (error: unknown) => {
          if (!(error instanceof OperationError)) throw error;
          seen.refused = error;
          verify(false);
        },
      );
    },
  };
}
