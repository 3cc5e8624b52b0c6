/**
 * A mail server on loopback that keeps mails as they were transmitted. Implements the SMTP that a client needs,
 * including STARTTLS and a login, counts, and can refuse, cut or ignore any step.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Certificate } from './certificate.ts';

/** One mail as it was received. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Header and body, CRLF, dots unstuffed. */
  readonly data: string;
  /** The logged-in user; null: none. */
  readonly login: string | null;
  readonly encrypted: boolean;
}

export interface SinkOptions {
  /** `starttls`: offered after the greeting; `tls`: from the first byte. */
  readonly tls?: 'starttls' | 'tls';
  readonly certificate?: Certificate;
  /** The only `user:password` that is accepted. */
  readonly login?: string;
}

type Verb = 'connect' | 'EHLO' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'accepted';

export class SmtpSink {
  readonly mails: ReceivedMail[] = [];
  /** Every line that a client sent outside of a mail's data. */
  readonly lines: string[] = [];
  connections = 0;
  readonly #options: SinkOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #replies: { readonly verb: Verb; readonly reply: string | 'cut' | 'silence' }[] = [];
  #waiters: (() => void)[] = [];

  private constructor(options: SinkOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#enter(socket));
  }

  static async start(options: SinkOptions = {}): Promise<SmtpSink> {
    const sink = new SmtpSink(options);
    await new Promise<void>((resolve) => sink.#server.listen(0, '127.0.0.1', resolve));
    return sink;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Replaces the next answer at this step. `accepted`: the answer after the data of a mail. */
  next(verb: Verb, reply: string): void {
    this.#replies.push({ verb, reply });
  }

  /** Resolves when a client has sent a line that starts like this. */
  async received(start: string): Promise<void> {
    while (!this.lines.some((line) => line.startsWith(start))) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #enter(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    const { tls } = this.#options;
    if (tls === 'tls') new Session(this.#secured(socket), this.#host(), true);
    else new Session(socket, this.#host(), false);
  }

  #secured(socket: Socket): Socket {
    const { certificate } = this.#options;
    if (certificate === undefined) throw new Error('TLS needs a certificate');
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: createSecureContext(certificate),
    });
    secured.on('error', () => {});
    return secured;
  }

  #host(): Host {
    return {
      options: this.#options,
      secured: (socket) => this.#secured(socket),
      onLine: (line) => {
        this.lines.push(line);
        for (const resolve of this.#waiters.splice(0)) resolve();
      },
      received: (mail) => this.mails.push(mail),
      scripted: (verb) => {
        const index = this.#replies.findIndex((planned) => planned.verb === verb);
        return index < 0 ? null : (this.#replies.splice(index, 1)[0]?.reply ?? null);
      },
    };
  }
}

interface Host {
  readonly options: SinkOptions;
  secured(socket: Socket): Socket;
  onLine(line: string): void;
  received(mail: ReceivedMail): void;
  scripted(verb: Verb): string | null;
}

class Session {
  #socket: Socket;
  readonly #host: Host;
  #encrypted: boolean;
  #rest = '';
  #login: string | null = null;
  #from = '';
  #to: string[] = [];
  #data: string[] | null = null;

  constructor(socket: Socket, host: Host, encrypted: boolean) {
    this.#socket = socket;
    this.#host = host;
    this.#encrypted = encrypted;
    this.#listen();
    this.#reply('connect', '220 sink.example.org ESMTP');
  }

  #listen(): void {
    this.#rest = '';
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (chunk: string) => {
      const lines = (this.#rest + chunk).split('\r\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#line(line);
    });
  }

  #line(line: string): void {
    if (this.#data === null) this.#command(line);
    else this.#dataLine(line, this.#data);
  }

  #command(line: string): void {
    this.#host.onLine(line);
    const [verb = '', ...words] = line.split(' ');
    switch (verb.toUpperCase()) {
      case 'EHLO':
        this.#reply('EHLO', this.#capabilities());
        break;
      case 'STARTTLS':
        this.#encrypt();
        break;
      case 'AUTH':
        this.#authenticate(words[1] ?? '');
        break;
      case 'MAIL':
        this.#from = addressIn(line);
        this.#to = [];
        this.#reply('MAIL', '250 ok');
        break;
      case 'RCPT':
        if (this.#reply('RCPT', '250 ok')) this.#to.push(addressIn(line));
        break;
      case 'DATA':
        if (this.#reply('DATA', '354 go on')) this.#data = [];
        break;
      case 'QUIT':
        this.#write('221 bye');
        this.#socket.end();
        break;
      default:
        this.#write('250 ok');
    }
  }

  #capabilities(): string {
    const { tls, login } = this.#host.options;
    const offers = ['8BITMIME', ...(login === undefined ? [] : ['AUTH PLAIN'])];
    if (tls === 'starttls' && !this.#encrypted) offers.push('STARTTLS');
    return ['250-sink.example.org', ...offers.map((offer) => `250-${offer}`), '250 HELP'].join('\r\n');
  }

  #encrypt(): void {
    if (this.#host.options.tls !== 'starttls') {
      this.#write('502 5.5.1 not here');
      return;
    }
    this.#write('220 go ahead');
    this.#socket.removeAllListeners('data');
    this.#socket = this.#host.secured(this.#socket);
    this.#encrypted = true;
    this.#listen();
  }

  #authenticate(words: string): void {
    const [, user = '', password = ''] = Buffer.from(words, 'base64').toString().split('\0');
    if (`${user}:${password}` === this.#host.options.login) {
      this.#login = user;
      this.#reply('AUTH', '235 welcome');
    } else {
      this.#write('535 5.7.8 authentication failed');
    }
  }

  #dataLine(line: string, data: string[]): void {
    if (line !== '.') {
      data.push(line.startsWith('.') ? line.slice(1) : line);
      return;
    }
    this.#data = null;
    const text = data.map((part) => `${part}\r\n`).join('');
    const mail = {
      from: this.#from,
      to: this.#to,
      data: text,
      login: this.#login,
      encrypted: this.#encrypted,
    };
    this.#host.received(mail);
    this.#reply('accepted', '250 accepted');
  }

  /** Returns whether the usual answer was sent. */
  #reply(verb: Verb, usual: string): boolean {
    const scripted = this.#host.scripted(verb);
    if (scripted === 'cut') this.#socket.destroy();
    else if (scripted !== 'silence') this.#write(scripted ?? usual);
    return scripted === null;
  }

  #write(text: string): void {
    this.#socket.write(`${text}\r\n`);
  }
}

function addressIn(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? '';
}
