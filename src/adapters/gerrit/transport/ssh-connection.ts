/**
 * One SSH connection to Gerrit: host key pinned, our key alone offered, every wait bounded. It promises that `close`
 * really ends it: the socket is ours, and it is destroyed when the other side does not take part in a polite end,
 * because leaked connections have taken Gerrit servers down.
 */
import { Socket } from 'node:net';
import type { ClientChannel, ServerHostKeyAlgorithm } from 'ssh2';
import ssh2 from 'ssh2';
import type { GerritConfig } from '../../../config/config.ts';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import { timerDelay } from '../../../timer.ts';
import { inMyName } from '../../openssh/async-context.ts';
import { readPrivateKey } from '../../openssh/key-file.ts';
import {
  allHostKeyAlgorithms,
  hostKeyAlgorithms,
  hostKeyError,
  judgeHostKey,
  type KnownHost,
  readKnownHost,
} from '../../openssh/known-hosts.ts';
import { connectFailure, lostConnection, stoppedConnection } from './ssh-failure.ts';

/** What this folder needs of the configuration. */
export type GerritOptions = Omit<GerritConfig, 'fetchUrl' | 'rest'>;

const KEY_USE = { setting: 'gerrit.key', place: 'in Gerrit' };

export class GerritConnection {
  readonly #client: ssh2.Client;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #target: string;
  readonly #closeTimeoutMs: number;
  readonly #onClosed = new Set<(error: OperationError | null) => void>();
  #closing = false;
  #end: { readonly error: OperationError | null } | null = null;

  private constructor(client: ssh2.Client, socket: Socket, clock: Clock, options: GerritOptions) {
    const target = `${options.user}@${options.host}:${options.port}`;
    this.#client = client;
    this.#socket = socket;
    this.#clock = clock;
    this.#target = target;
    this.#closeTimeoutMs = options.closeTimeoutMs;
    let cause: unknown = null;
    client.on('error', (error) => {
      cause ??= error;
    });
    client.once('close', () => {
      this.#end = { error: this.#closing ? null : lostConnection(target, cause) };
      for (const listener of this.#onClosed) listener(this.#end.error);
      this.#onClosed.clear();
    });
  }

  /** Rejects with an OperationError that is not retryable for what does not mend itself: key, host key, account. */
  static async open(options: GerritOptions, clock: Clock, signal: AbortSignal): Promise<GerritConnection> {
    const privateKey = await readPrivateKey(options.keyFile, KEY_USE);
    const known = await readKnownHost(options.knownHostsFile, options.host, options.port);
    const algorithms = hostKeyAlgorithms(known);
    const ask = (wanted: readonly string[]) =>
      GerritConnection.#handshake({ options, clock, signal, privateKey, known, algorithms: wanted });
    if (algorithms.length === 0) return ask(allHostKeyAlgorithms());
    try {
      return await ask(algorithms);
    } catch (error) {
      // The server has no key of a type that we know. Asked for any, it shows one for the operator to compare.
      if (error instanceof OperationError && error.operation === 'agree on algorithms') {
        return ask(allHostKeyAlgorithms());
      }
      throw error;
    }
  }

  static #handshake(request: Handshake): Promise<GerritConnection> {
    const { options, clock, signal, known } = request;
    const target = `${options.user}@${options.host}:${options.port}`;
    if (signal.aborted) return Promise.reject(stoppedConnection(target));
    const socket = new Socket();
    const client = new ssh2.Client();
    const connection = new GerritConnection(client, socket, clock, options);
    return new Promise((resolve, reject) => {
      let refused: OperationError | null = null;
      let judged = false;
      let settled = false;
      const finish = (error: OperationError | null): void => {
        if (settled) return;
        settled = true;
        disarm();
        signal.removeEventListener('abort', abort);
        if (error === null) {
          resolve(connection);
          return;
        }
        connection.#closing = true;
        socket.destroy();
        // Only when the socket is gone may the caller try again: never two connections.
        connection.onClosed(() => reject(error));
      };
      const abort = (): void => finish(stoppedConnection(target));
      const disarm = clock.after(options.connectTimeoutMs, () =>
        finish(connectFailure(options, { level: 'client-timeout' }, judged)),
      );
      client.on('error', (error) => finish(refused ?? connectFailure(options, error, judged)));
      client.once('close', () => finish(refused ?? connectFailure(options, null, judged)));
      client.once('ready', () => finish(null));
      signal.addEventListener('abort', abort, { once: true });
      socket.setNoDelay(true);
      socket.connect({ host: options.host, port: options.port });
      client.connect({
        sock: socket,
        username: options.user,
        privateKey: request.privateKey,
        authHandler: ['publickey'],
        readyTimeout: 0,
        keepaliveInterval: timerDelay(options.keepaliveMs),
        keepaliveCountMax: options.keepaliveMax,
        algorithms: { serverHostKey: request.algorithms as ServerHostKeyAlgorithm[] },
        hostVerifier: (presented: Buffer) => {
          const judgement = judgeHostKey(known, presented);
          judged = true;
          if (judgement === 'known') return true;
          refused = hostKeyError(known, presented, judgement);
          return false;
        },
      });
    });
  }

  /**
   * Starts a command. `attach` is called in the same turn in which its channel opens, so that nothing it says is
   * missed, and in the caller's name. Rejects when the channel could not be opened.
   */
  open(command: string, attach: (channel: ClientChannel) => void): Promise<void> {
    const listen = inMyName(attach);
    return new Promise((resolve, reject) => {
      const forget = this.onClosed((error) => reject(error ?? stoppedConnection(this.#target)));
      try {
        this.#client.exec(command, (error, channel) => {
          forget();
          if (error) return reject(lostConnection(this.#target, error));
          listen(channel);
          resolve();
        });
      } catch (error) {
        forget();
        reject(lostConnection(this.#target, error));
      }
    });
  }

  /**
   * Calls `listener` when the socket is gone, with what was wrong or with null when we closed it; at once when it is
   * gone already. The returned function takes it back: a stream's connection lives for months.
   */
  onClosed(listener: (error: OperationError | null) => void): () => void {
    if (this.#end !== null) listener(this.#end.error);
    else this.#onClosed.add(listener);
    return () => this.#onClosed.delete(listener);
  }

  /** Resolves when the socket is gone, after the close timeout at the latest. */
  async close(): Promise<void> {
    this.#closing = true;
    const disarm = this.#clock.after(this.#closeTimeoutMs, () => this.#socket.destroy());
    try {
      this.#client.end();
      await new Promise<void>((resolve) => {
        this.onClosed(() => resolve());
      });
    } finally {
      disarm();
    }
  }

  get target(): string {
    return this.#target;
  }
}

interface Handshake {
  readonly options: GerritOptions;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly privateKey: Buffer;
  readonly known: KnownHost;
  readonly algorithms: readonly string[];
}
