/**
 * The SSH client for Gerrit, nodes and log servers: one connection with a pinned host key, only our key offered, no
 * forwarding, and a deadline and an abort signal for every wait. `close` always ends the connection: this client owns
 * the socket and destroys it when the server does not complete a clean close. Leaked connections have taken Gerrit
 * servers down.
 */
import { Socket } from 'node:net';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import ssh2 from 'ssh2';
import { OperationError } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import { type Cancel, timerDelay } from '../../../timer.ts';
import { bindContext } from './async-context.ts';
import { connectFailureKind, type SshFailure, type SshFailureKind, sftpFailureKind } from './failure.ts';

/** ssh2's types under our own names, so that users of this client do not import ssh2. */
export type SshChannel = ssh2.ClientChannel;
export type Sftp = ssh2.SFTPWrapper;
export type SftpStats = ssh2.Stats;
export type SftpEntry = ssh2.FileEntryWithStats;
export const SFTP_STATUS = ssh2.utils.sftp.STATUS_CODE;

export interface SshEndpoint {
  readonly user: string;
  /** A host name or an IP address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface SshAccess extends SshEndpoint {
  /** Null: the connection only reads the host key, and `hostKeys` accepts none. */
  readonly privateKey: Buffer | null;
  readonly hostKeys: HostKeys;
  readonly connectTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveMax: number;
  readonly closeTimeoutMs: number;
  /** Closes the connection when the server neither opens nor refuses a channel. */
  readonly closeOnStuckChannel: boolean;
  readonly after: (delayMs: number, due: () => void) => Cancel;
  /** The error that callers see. */
  readonly toError: (failure: SshFailure) => OperationError;
}

/** The known host keys of the server. */
export interface HostKeys {
  /** The signature algorithms to request from the server. */
  readonly algorithms: readonly string[];
  /** Null: the key is accepted. Rejects with an OperationError only. */
  judge(presented: Buffer): Promise<OperationError | null>;
}

/** How long a channel may take to open. */
export interface ChannelBounds {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** `user@host:port`, for messages. */
export function sshTarget({ user, host, port }: SshEndpoint): string {
  return `${user}@${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export class SshClient {
  readonly target: string;
  /** The timers of this connection's user. */
  readonly after: SshAccess['after'];
  readonly #access: SshAccess;
  readonly #client = new ssh2.Client();
  readonly #socket = new Socket();
  readonly #onClosed = new Set<(error: OperationError | null) => void>();
  #cause: unknown = null;
  #end: { readonly error: OperationError | null } | null = null;
  #closing = false;

  private constructor(access: SshAccess) {
    this.#access = access;
    this.target = sshTarget(access);
    this.after = access.after;
    this.#client.on('error', (error) => {
      this.#cause ??= error;
    });
    this.#client.once('close', () => {
      this.#end = { error: this.#closing ? null : this.#failure('lost', 'channel', this.#cause) };
      for (const listener of this.#onClosed) listener(this.#end.error);
      this.#onClosed.clear();
    });
  }

  /** Rejects with the error that `toError` creates, or with the error that `hostKeys` refused the host key with. */
  static open(access: SshAccess, signal: AbortSignal): Promise<SshClient> {
    const client = new SshClient(access);
    return client.#connect(signal);
  }

  /**
   * Starts a command. `attach` is called in the same tick in which the channel opens, so that no output is missed, and
   * in the caller's async context. Rejects when the channel does not open.
   */
  exec(line: string, attach: (channel: SshChannel) => void, bounds: ChannelBounds): Promise<void> {
    return this.#openChannel<SshChannel, void>(bounds, {
      open: (done) => this.#client.exec(line, done),
      accept: bindContext(attach),
      discard: (channel) => channel.close(),
      refused: () => 'lost',
    });
  }

  openSftp(bounds: ChannelBounds): Promise<Sftp> {
    return this.#openChannel<Sftp, Sftp>(bounds, {
      open: (done) => this.#client.sftp(done),
      accept: (sftp) => sftp,
      discard: (sftp) => sftp.end(),
      refused: sftpFailureKind,
    });
  }

  get isOpen(): boolean {
    return this.#end === null && !this.#closing;
  }

  /**
   * Calls `listener` when the socket is closed, with the error, or with null when we closed it; immediately when it is
   * already closed. The returned function removes the listener, because a stream's connection lives for months.
   */
  onClosed(listener: (error: OperationError | null) => void): () => void {
    if (this.#end !== null) listener(this.#end.error);
    else this.#onClosed.add(listener);
    return () => this.#onClosed.delete(listener);
  }

  /** Resolves when the socket is closed, at the latest after the close timeout. */
  async close(): Promise<void> {
    this.#closing = true;
    const cancel = this.after(this.#access.closeTimeoutMs, () => this.#socket.destroy());
    try {
      this.#client.end();
      await new Promise<void>((resolve) => {
        this.onClosed(() => resolve());
      });
    } finally {
      cancel();
    }
  }

  #connect(signal: AbortSignal): Promise<SshClient> {
    if (signal.aborted) return Promise.reject(this.#failure('stopped', 'connect', null));
    const { connectTimeoutMs, host, port } = this.#access;
    return new Promise((resolve, reject) => {
      const hostKeyState: HostKeyState = { refusal: null, shown: false };
      let settled = false;
      const finish = (error: OperationError | null): void => {
        if (settled) return;
        settled = true;
        cancel();
        signal.removeEventListener('abort', abort);
        if (error === null) {
          resolve(this);
          return;
        }
        this.#socket.destroy();
        // The caller may retry only after the socket is closed, so that there are never two connections.
        this.onClosed(() => reject(error));
      };
      const failed = (kind: SshFailureKind, cause: unknown) =>
        finish(hostKeyState.refusal ?? this.#failure(kind, 'connect', cause));
      const abort = (): void => finish(this.#failure('stopped', 'connect', null));
      const cancel = this.after(connectTimeoutMs, () => failed('connect-timeout', null));
      this.#client.on('error', (error) => failed(connectFailureKind(error, hostKeyState.shown), error));
      this.#client.once('close', () => failed('unreachable', null));
      this.#client.once('ready', () => finish(null));
      signal.addEventListener('abort', abort, { once: true });
      this.#socket.setNoDelay(true);
      this.#socket.connect({ host, port });
      this.#client.connect(this.#options(hostKeyState));
    });
  }

  #options(hostKeyState: HostKeyState): ssh2.ConnectConfig {
    const { user, privateKey, hostKeys, keepaliveMs, keepaliveMax } = this.#access;
    return {
      sock: this.#socket,
      username: user,
      ...(privateKey === null ? {} : { privateKey }),
      authHandler: ['publickey'],
      readyTimeout: 0,
      keepaliveInterval: timerDelay(keepaliveMs),
      keepaliveCountMax: keepaliveMax,
      algorithms: { serverHostKey: [...hostKeys.algorithms] as ServerHostKeyAlgorithm[] },
      hostVerifier: (presented: Buffer, verify: (permitted: boolean) => void) => {
        hostKeyState.shown = true;
        const settle = (refusal: OperationError | null): void => {
          hostKeyState.refusal = refusal;
          verify(refusal === null);
        };
        // ssh2 reuses the buffer once this returns.
        hostKeys.judge(Buffer.from(presented)).then(settle, (error: unknown) => {
          if (!(error instanceof OperationError)) throw error;
          settle(error);
        });
      },
    };
  }

  #openChannel<T, R>({ timeoutMs, signal }: ChannelBounds, channel: ChannelType<T, R>): Promise<R> {
    return new Promise((resolve, reject) => {
      let finished = false;
      const finish = (): void => {
        finished = true;
        cancel();
        signal.removeEventListener('abort', abort);
        unsubscribe();
      };
      const fail = (kind: SshFailureKind, cause: unknown): void => {
        finish();
        reject(this.#end?.error ?? this.#failure(this.#end === null ? kind : 'stopped', 'channel', cause));
      };
      const abort = () => fail('stopped', null);
      const cancel = this.after(timeoutMs, () => {
        const error = new Error(`no channel within ${formatLimit(timeoutMs)}`);
        fail('lost', error);
        this.#stuck(error);
      });
      let unsubscribe = (): void => {};
      unsubscribe = this.onClosed(() => fail('stopped', null));
      signal.addEventListener('abort', abort, { once: true });
      if (finished) return finish();
      if (signal.aborted) return abort();
      const refused = (error: Error): void => {
        fail(channel.refused(error), error);
        // A server that opens no more channels gives a reason. Without a reason, the channel is open and its request
        // was refused: ssh2 neither closes nor returns such a channel, and it counts against the server's MaxSessions.
        if (!('reason' in error)) this.#stuck(error);
      };
      try {
        channel.open((error, opened) => {
          if (finished) {
            if (error === undefined) channel.discard(opened);
          } else if (error !== undefined) {
            refused(error);
          } else {
            finish();
            resolve(channel.accept(opened));
          }
        });
      } catch (error) {
        fail('lost', error);
      }
    });
  }

  #stuck(cause: Error): void {
    if (!this.#access.closeOnStuckChannel) return;
    this.#cause ??= cause;
    this.#socket.destroy();
  }

  #failure(kind: SshFailureKind, during: SshFailure['during'], cause: unknown): OperationError {
    return this.#access.toError({ kind, during, cause });
  }
}

interface HostKeyState {
  refusal: OperationError | null;
  shown: boolean;
}

interface ChannelType<T, R> {
  readonly open: (done: (error: Error | undefined, channel: T) => void) => void;
  /** Called in the same tick in which the channel opens. */
  readonly accept: (channel: T) => R;
  /** Called when the channel opens after its caller has given up. */
  readonly discard: (channel: T) => void;
  readonly refused: (error: Error) => SshFailureKind;
}
