/**
 * A small SSH server on loopback whose answers a test scripts, command by command. It counts logins and connections,
 * because how often a client comes back is part of what is tested, and it can be as rude as the network: silent,
 * cut off, or deaf.
 */
import type { AddressInfo, Socket } from 'node:net';
import type { Connection, ServerChannel } from 'ssh2';
import ssh2 from 'ssh2';

export interface SshCommand {
  readonly line: string;
  readonly channel: ServerChannel;
  /** Resolves with everything on standard input, when the client has closed it. */
  readonly stdin: Promise<string>;
  /** Cuts the client's connection at once, without any goodbye. */
  cut(): void;
}

type Script = (command: SshCommand) => void;

export class SshServer {
  readonly port: number;
  /** Command lines, in the order in which they came. */
  readonly commands: string[] = [];
  /** Attempts to log in, the refused ones too. */
  logins = 0;
  /** TCP connections so far, and the most at the same time. */
  connections = 0;
  openAtMost = 0;
  acceptLogins = true;
  readonly #server: ssh2.Server;
  readonly #sockets = new Set<Socket>();
  readonly #scripts: { readonly start: string; readonly script: Script }[] = [];
  #waiters: { readonly when: () => boolean; readonly resolve: () => void }[] = [];

  private constructor(server: ssh2.Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(hostKeys: readonly string[], port = 0): Promise<SshServer> {
    let self: SshServer | null = null;
    const server = new ssh2.Server({ hostKeys: [...hostKeys] }, (connection) => {
      if (self !== null) self.#serve(connection);
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
    const made = new SshServer(server, (server.address() as AddressInfo).port);
    self = made;
    // The server under ssh2's own has the sockets, and ssh2 does not hand them out.
    (server as unknown as { readonly _srv: NodeJS.EventEmitter })._srv.on('connection', (socket: Socket) =>
      made.#admit(socket),
    );
    return made;
  }

  /** Commands that begin so are answered by `script`; the latest one that fits counts. */
  on(start: string, script: Script): void {
    this.#scripts.unshift({ start, script });
  }

  /** Commands that begin so get this and end. */
  answer(start: string, stdout: string, status = 0, stderr = ''): void {
    this.on(start, ({ channel }) => reply(channel, stdout, status, stderr));
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Resolves as soon as `when` holds after something happened here. */
  until(when: () => boolean): Promise<void> {
    if (when()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ when, resolve }));
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on it reads nothing and ends nothing, as a host that hangs. */
  deafen(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('data');
      socket.pause();
    }
  }

  /** Reads nothing until it is released, like a host that hangs for a moment. */
  hold(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  release(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cutAll();
    await closed;
  }

  #admit(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    this.openAtMost = Math.max(this.openAtMost, this.#sockets.size);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#changed();
    });
    this.#changed();
  }

  #serve(connection: Connection): void {
    connection.on('error', () => {});
    connection.on('authentication', (context) => {
      if (context.method !== 'publickey') return context.reject(['publickey']);
      // The first of a key's two requests only asks whether it would do.
      if (context.signature === undefined || !this.acceptLogins) this.logins++;
      this.#changed();
      if (this.acceptLogins) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, info) => {
        const channel = acceptExec();
        channel.on('error', () => {});
        this.#run(connection, channel, info.command);
      });
    });
  }

  #run(connection: Connection, channel: ServerChannel, line: string): void {
    this.commands.push(line);
    const script = this.#scripts.find(({ start }) => line.startsWith(start))?.script;
    const socket = (connection as unknown as { readonly _sock: Socket })._sock;
    if (script === undefined) reply(channel, '', 127, `fatal: ${line}: not found`);
    else script({ line, channel, stdin: readAll(channel), cut: () => socket.destroy() });
    this.#changed();
  }

  #changed(): void {
    const ready = this.#waiters.filter(({ when }) => when());
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
  }
}

/** Output, exit status, end. */
export function reply(channel: ServerChannel, stdout: string, status = 0, stderr = ''): void {
  if (stderr !== '') channel.stderr.write(stderr);
  if (stdout !== '') channel.write(stdout);
  channel.exit(status);
  channel.end();
}

interface Internals {
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _client: { readonly _protocol: { exitStatus(id: number, status: number): void } };
}

/**
 * What Gerrit's server does: first the end of file, the exit status only after it, and none to a client that has
 * closed the channel by then. ssh2's own server does not let its user do that, hence the reach inside.
 */
export async function replyStatusLast(
  channel: ServerChannel,
  status: number,
  meanwhile: Promise<void>,
): Promise<void> {
  channel.eof();
  await meanwhile;
  const { outgoing, _client } = channel as unknown as Internals;
  if (outgoing.state === 'eof') _client._protocol.exitStatus(outgoing.id, status);
  channel.close();
}

function readAll(channel: ServerChannel): Promise<string> {
  const chunks: Buffer[] = [];
  channel.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => channel.once('end', () => resolve(Buffer.concat(chunks).toString('utf8'))));
}
