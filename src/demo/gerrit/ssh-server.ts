/**
 * The SSH server of the embedded Gerrit: a listener on loopback, host keys, public-key logins, one command for each channel.
 * It can refuse, stall and cut connections, as networks and servers do.
 */
import { createServer, type Server as Listener, type Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2';
import { type Call, Hangup } from './commands.ts';
import type { GerritAccount } from './state.ts';

const { Server: Ssh2Server, utils } = ssh2;
/** Disables ssh2's keepalive of 15 s: a silent server must send nothing. */
const NEVER_MS = 2 ** 31 - 1;

export interface SshServerHandler {
  account(username: string): GerritAccount | undefined;
  /** Exit status, or null for a command that ends with its connection. */
  run(call: Call, socket: Socket): Promise<number | null>;
  /** Called for each connection that opens, logs in or closes. */
  onConnectionEvent(what: 'connected' | 'authenticated' | 'rejected' | 'closed'): void;
}

export class SshServer {
  readonly #handler: SshServerHandler;
  readonly #sockets = new Set<Socket>();
  #ssh: InstanceType<typeof Ssh2Server>;
  #listener: Listener | null = null;
  #silent = false;
  #port = 0;

  constructor(hostKeys: readonly string[], version: string, handler: SshServerHandler) {
    this.#handler = handler;
    this.#ssh = this.#makeServer(hostKeys, version);
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens on a free port the first time, and on the same port afterwards. */
  open(): Promise<void> {
    const listener = createServer((socket) => this.#enter(socket));
    this.#listener = listener;
    return new Promise((resolve, reject) => {
      listener.on('error', reject);
      listener.listen(this.#port, '127.0.0.1', () => {
        const address = listener.address();
        if (address !== null && typeof address === 'object') this.#port = address.port;
        resolve();
      });
    });
  }

  /** Refuses new connections; open ones stay. */
  refuse(): void {
    this.#listener?.close();
    this.#listener = null;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Reads and sends nothing, accepts no login, and closes no connection. */
  setSilent(silent: boolean): void {
    this.#silent = silent;
    for (const socket of this.#sockets) {
      if (silent) socket.pause();
      else socket.resume();
    }
  }

  replaceHostKeys(hostKeys: readonly string[], version: string): void {
    this.#ssh = this.#makeServer(hostKeys, version);
  }

  #makeServer(hostKeys: readonly string[], version: string): InstanceType<typeof Ssh2Server> {
    const ident = `GerritCodeReview_${version} (APACHE-SSHD-2.12.0)`;
    const config = { hostKeys: [...hostKeys], ident, keepaliveInterval: NEVER_MS };
    return new Ssh2Server(config, (client, info) => this.#client(client, info));
  }

  #enter(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#handler.onConnectionEvent('closed');
    });
    this.#handler.onConnectionEvent('connected');
    // ssh2 does not know about this pause; reading resumes when the server is no longer silent.
    this.#ssh.injectSocket(socket);
    if (this.#silent) socket.pause();
  }

  #client(client: Connection, _info: unknown): void {
    let account: GerritAccount | undefined;
    client.on('error', () => undefined);
    client.on('authentication', (attempt) => {
      account = this.#authenticate(attempt);
      if (account === undefined) return;
      this.#handler.onConnectionEvent('authenticated');
      attempt.accept();
    });
    client.on('session', (accept) => {
      if (account !== undefined) this.#session(accept(), account, client);
    });
  }

  #authenticate(attempt: AuthContext): GerritAccount | undefined {
    if (attempt.method !== 'publickey') {
      attempt.reject(['publickey']);
      return undefined;
    }
    const account = this.#handler.account(attempt.username);
    for (const line of account?.publicKeys ?? []) {
      const key = utils.parseKey(line);
      if (key instanceof Error || !key.getPublicSSH().equals(attempt.key.data)) continue;
      // Without a signature, the client only asks whether this key is acceptable.
      if (attempt.signature === undefined || attempt.blob === undefined) {
        attempt.accept();
        return undefined;
      }
      if (key.verify(attempt.blob, attempt.signature, attempt.hashAlgo) === true) return account;
    }
    if (attempt.signature !== undefined || account === undefined) this.#handler.onConnectionEvent('rejected');
    attempt.reject(['publickey']);
    return undefined;
  }

  #session(session: Session, account: GerritAccount, client: Connection): void {
    let gitProtocol = '';
    session.on('env', (accept, _reject, info) => {
      if (info.key === 'GIT_PROTOCOL') gitProtocol = info.val;
      accept?.();
    });
    session.on('pty', (accept) => accept?.());
    session.on('shell', (accept) => welcome(accept(), account));
    session.on('exec', (accept, _reject, info) => {
      const channel = accept();
      channel.on('error', () => undefined);
      const socket = socketOf(client);
      const call: Call = { account, line: info.command, gitProtocol, channel };
      this.#handler.run(call, socket).then(
        (status) => {
          if (status === null) return;
          channel.exit(status);
          channel.end();
        },
        (error: unknown) => {
          // A command that throws breaks its connection; the client sees no exit status.
          if (!(error instanceof Hangup)) process.emitWarning(error instanceof Error ? error : String(error));
          socket.destroy();
        },
      );
    });
  }
}

function welcome(channel: ServerChannel, account: GerritAccount): void {
  channel.stderr.write(
    `\r\n  ****    Welcome to Gerrit Code Review    ****\r\n\r\n  Hi ${account.name}, you have successfully ` +
      'connected over SSH.\r\n\r\n  Unfortunately, interactive shells are disabled.\r\n',
  );
  channel.exit(127);
  channel.end();
}

/** ssh2 does not expose the socket, which is needed to cut the connection. */
function socketOf(client: Connection): Socket {
  return (client as unknown as { readonly _sock: Socket })._sock;
}
