/**
 * A small SSH server on loopback with scripted answers for each command. Counts logins and connections, so that tests
 * can check how many times a client reconnects. Can be silent, cut connections, or stop reading.
 */
import type { AddressInfo, Socket } from 'node:net';
import type { Connection, ServerChannel } from 'ssh2';
import ssh2 from 'ssh2';

export interface SshCommand {
  readonly line: string;
  readonly channel: ServerChannel;
  /** Resolves with everything on standard input, when the client has closed it. */
  readonly stdin: Promise<string>;
  /** Cuts the client's connection at once, without a disconnect message. */
  cut(): void;
}

type Script = (command: SshCommand) => void;

export class SshServer {
  readonly port: number;
  /** Command lines, in the order in which they came. */
  readonly commands: string[] = [];
  /** Number of logins, including refused ones. */
  logins = 0;
  /** TCP connections so far, and the maximum at the same time. */
  connections = 0;
  maxOpen = 0;
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
    const started = new SshServer(server, (server.address() as AddressInfo).port);
    self = started;
    // Only the TCP server inside ssh2's server has the sockets, and ssh2 does not expose them.
    (server as unknown as { readonly _srv: NodeJS.EventEmitter })._srv.on('connection', (socket: Socket) =>
      started.#accept(socket),
    );
    return started;
  }

  /** `script` answers commands that start with `start`. The latest matching script wins. */
  on(start: string, script: Script): void {
    this.#scripts.unshift({ start, script });
  }

  /** Commands that start with `start` print this and exit. */
  answer(start: string, stdout: string, status = 0, stderr = ''): void {
    this.on(start, ({ channel }) => reply(channel, stdout, status, stderr));
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Resolves as soon as `when` is true. Checks after each event of this server. */
  until(when: () => boolean): Promise<void> {
    if (when()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ when, resolve }));
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops reading and closing connections, like a host that hangs. */
  hang(): void {
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

  #accept(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    this.maxOpen = Math.max(this.maxOpen, this.#sockets.size);
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
      // A client first queries whether a key is acceptable, then signs. Counts the two as one login.
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

/** Sends output and exit status, then closes the channel. */
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
 * Closes a channel like Gerrit: sends end of file, then the exit status, unless the client has closed the channel
 * meanwhile. Uses internals of ssh2, because its server API cannot do that.
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
