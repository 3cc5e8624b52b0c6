/**
 * A node that hostile code controls: it accepts the login, and its SFTP server then reports the names, kinds, sizes and
 * contents that the test sets.
 */
import type { AddressInfo, Socket } from 'node:net';
import type { Attributes, Connection, SFTPWrapper } from 'ssh2';
import ssh2 from 'ssh2';

const { STATUS_CODE } = ssh2.utils.sftp;
const KINDS = { file: 0o100644, directory: 0o040755, link: 0o120777, pipe: 0o010644 } as const;
export type Kind = keyof typeof KINDS;

export interface SftpAnswers {
  /** The attributes that a path claims; null: missing. */
  lstat(path: string): { readonly kind: Kind; readonly size?: number } | null;
  /** Entries of a directory for the request with this number; null: no more. */
  readdir(path: string, request: number): readonly { readonly name: string; readonly kind: Kind }[] | null;
  /** The attributes that an open file claims. */
  fstat(path: string): { readonly kind: Kind; readonly size: number };
  /** Content from `position`, at most `length` bytes; null: end of file; 'silence': never answers. */
  read(path: string, position: number, length: number): Buffer | null | 'silence';
}

export class HostileNode {
  readonly port: number;
  /** Opened paths, and the number of bytes sent. */
  readonly opened: string[] = [];
  bytesSent = 0;
  readonly #server: ssh2.Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: ssh2.Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(hostKey: string, answers: SftpAnswers): Promise<HostileNode> {
    let self: HostileNode | null = null;
    const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => self?.serve(connection, answers));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    self = new HostileNode(server, (server.address() as AddressInfo).port);
    return self;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  private serve(connection: Connection, answers: SftpAnswers): void {
    this.#sockets.add((connection as unknown as { readonly _sock: Socket })._sock);
    connection.on('error', () => {});
    connection.on('authentication', (context) => {
      if (context.method === 'publickey') context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      accept().on('sftp', (acceptSftp) => this.serveSftp(acceptSftp(), answers));
    });
  }

  private serveSftp(sftp: SFTPWrapper, answers: SftpAnswers): void {
    const handles: { readonly path: string; requests: number }[] = [];
    const handleOf = (handle: Buffer) => handles[handle.readUInt32BE(0)] ?? { path: '', requests: 0 };
    const open = (id: number, path: string) => {
      const handle = Buffer.alloc(4);
      handle.writeUInt32BE(handles.push({ path, requests: 0 }) - 1);
      sftp.handle(id, handle);
    };
    sftp.on('REALPATH', (id, path) =>
      sftp.name(id, [{ filename: path, longname: path, attrs: attributes('file', 0) }]),
    );
    sftp.on('LSTAT', (id, path) => {
      const entry = answers.lstat(path);
      if (entry === null) sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
      else sftp.attrs(id, attributes(entry.kind, entry.size ?? 0));
    });
    sftp.on('OPENDIR', open);
    sftp.on('OPEN', (id, path) => {
      this.opened.push(path);
      open(id, path);
    });
    sftp.on('READDIR', (id, handle) => {
      const directory = handleOf(handle);
      const entries = answers.readdir(directory.path, directory.requests++);
      if (entries === null) return sftp.status(id, STATUS_CODE.EOF);
      sftp.name(
        id,
        entries.map(({ name, kind }) => ({ filename: name, longname: name, attrs: attributes(kind, 0) })),
      );
    });
    sftp.on('FSTAT', (id, handle) => {
      const { kind, size } = answers.fstat(handleOf(handle).path);
      sftp.attrs(id, attributes(kind, size));
    });
    sftp.on('READ', (id, handle, position, length) => {
      const content = answers.read(handleOf(handle).path, position, length);
      if (content === 'silence') return;
      if (content === null) return sftp.status(id, STATUS_CODE.EOF);
      this.bytesSent += content.length;
      sftp.data(id, content);
    });
    sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK));
  }
}

function attributes(kind: Kind, size: number): Attributes {
  return { mode: KINDS[kind], uid: 0, gid: 0, size, atime: 0, mtime: 0 };
}
