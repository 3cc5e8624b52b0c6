/**
 * One SSH connection to a node: host key pinned, our key alone offered, no forwarding, every wait bounded. It promises that
 * `close` really ends it, and that whoever waits for something on it hears when it is gone.
 */
import { Socket } from 'node:net';
import type { ClientChannel, ServerHostKeyAlgorithm } from 'ssh2';
import ssh2 from 'ssh2';
import type { SshConfig } from '../../config/config.ts';
import { GivenUp, OperationError } from '../../errors.ts';
import { after, timerDelay } from '../../timer.ts';
import { inMyName } from '../openssh/async-context.ts';
import { type NodeAddress, nodeName } from './address.ts';
import { connectFailure, lostConnection, sftpFailure } from './connection-failure.ts';
import type { PinnedKey } from './pinned-key.ts';

export interface Access {
  readonly address: NodeAddress;
  readonly privateKey: Buffer;
  readonly pinned: PinnedKey;
  readonly config: SshConfig;
}

/** How long a channel may take to open. */
export interface ChannelBounds {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** How long the other side may take part in a polite end. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Words of ours: no shell that a user may have on a node does anything with these letters. */
export const WORD = /^[A-Za-z0-9_@%+=:,./-]+$/;

export class SshConnection {
  readonly target: string;
  readonly #client: ssh2.Client;
  readonly #socket: Socket;
  readonly #onClosed = new Set<(error: OperationError) => void>();
  #cause: unknown = null;
  #end: OperationError | null = null;
  #closing = false;

  private constructor(client: ssh2.Client, socket: Socket, target: string) {
    this.#client = client;
    this.#socket = socket;
    this.target = target;
    client.on('error', (error) => {
      this.#cause ??= error;
    });
    client.once('close', () => {
      this.#end = this.#closing ? new GivenUp('use node', target) : lostConnection(target, this.#cause);
      for (const listener of this.#onClosed) listener(this.#end);
      this.#onClosed.clear();
    });
  }

  /** Rejects with `Away` for what may mend itself, and with another OperationError for what does not. */
  static open(access: Access, signal: AbortSignal): Promise<SshConnection> {
    const { address, config } = access;
    const target = nodeName(address);
    if (signal.aborted) return Promise.reject(new GivenUp('connect to node', target));
    const socket = new Socket();
    const client = new ssh2.Client();
    const connection = new SshConnection(client, socket, target);
    return new Promise((resolve, reject) => {
      const seen = { refused: null as OperationError | null, judged: false };
      let settled = false;
      const finish = (error: OperationError | null): void => {
        if (settled) return;
        settled = true;
        cancel();
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
      const abort = (): void => finish(new GivenUp('connect to node', target));
      const cancel = after(config.connectTimeoutMs, () => failed({ level: 'client-timeout' }));
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
  start(
    words: readonly string[],
    attach: (channel: ClientChannel) => void,
    bounds: ChannelBounds,
  ): Promise<void> {
    const odd = words.find((word) => !WORD.test(word));
    if (odd !== undefined) throw new Error(`not a word for a command line: ${JSON.stringify(odd)}`);
    const listen = inMyName(attach);
    return this.#open<ClientChannel, void>(bounds, {
      ask: (done) => this.#client.exec(words.join(' '), done),
      take: listen,
      late: (channel) => channel.close(),
      refused: (error) => lostConnection(this.target, error),
    });
  }

  /** A new SFTP session. Rejects with an error that trying again does not help when the node offers no working SFTP. */
  openSftp(bounds: ChannelBounds): Promise<ssh2.SFTPWrapper> {
    return this.#open<ssh2.SFTPWrapper, ssh2.SFTPWrapper>(bounds, {
      ask: (done) => this.#client.sftp(done),
      take: (sftp) => sftp,
      late: (sftp) => sftp.end(),
      refused: (error) => sftpFailure(this.target, error),
    });
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
    const cancel = after(CLOSE_TIMEOUT_MS, () => this.#socket.destroy());
    this.#client.end();
    await new Promise<void>((resolve) => {
      this.onClosed(() => resolve());
    });
    cancel();
  }

  #open<T, R>({ timeoutMs, signal }: ChannelBounds, how: Opening<T, R>): Promise<R> {
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (): void => {
        over = true;
        cancel();
        signal.removeEventListener('abort', abort);
        forget();
      };
      const fail = (error: OperationError): void => {
        finish();
        reject(error);
      };
      const abort = () => fail(new GivenUp('open channel', this.target));
      const cancel = after(timeoutMs, () => {
        const error = new Error(`no channel within ${timeoutMs} ms`);
        fail(lostConnection(this.target, error));
        this.#drop(error);
      });
      let forget = (): void => {};
      forget = this.onClosed(fail);
      signal.addEventListener('abort', abort, { once: true });
      if (over) return finish();
      if (signal.aborted) return abort();
      const failed = (error: Error): void => {
        fail(this.#end ?? how.refused(error));
        // A node that opens no more channels says so with a reason. Otherwise the channel is open and its request was refused:
        // ssh2 neither closes it nor hands it out, and it counts against the node's MaxSessions.
        if (!('reason' in error)) this.#drop(error);
      };
      try {
        how.ask((error, channel) => {
          if (over) {
            if (error === undefined) how.late(channel);
          } else if (error !== undefined) {
            failed(error);
          } else {
            finish();
            resolve(how.take(channel));
          }
        });
      } catch (error) {
        fail(this.#end ?? lostConnection(this.target, error));
      }
    });
  }

  /** Ends the connection because of this; who uses it may make another one. */
  #drop(cause: Error): void {
    this.#cause ??= cause;
    this.#socket.destroy();
  }
}

/** One kind of channel. */
interface Opening<T, R> {
  readonly ask: (done: (error: Error | undefined, channel: T) => void) => void;
  /** In the same turn in which the channel opens. */
  readonly take: (channel: T) => R;
  /** It opened when nobody waited for it any more. */
  readonly late: (channel: T) => void;
  readonly refused: (error: Error) => OperationError;
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
    keepaliveInterval: timerDelay(config.keepaliveMs),
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
