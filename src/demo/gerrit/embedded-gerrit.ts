/**
 * A Gerrit for demos and tests, inside this process: an SSH server on loopback over real bare git repositories, with the
 * commands that a CI uses and the events that it hears, and the few REST calls that a CI makes. It answers as real
 * servers were measured to.
 *
 * Known limits: no web page; changes live in memory; notes (`refs/changes/NN/N/meta`) are named in events
 * but not stored; everybody may read every project and push for review; votes are not copied to a new patchset; submit
 * only moves the branch forward; a query knows the operators that are listed in query.ts; one answer format, JSON.
 */
import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import path from 'node:path';
import { Semaphore } from '../../semaphore.ts';
import { toLine } from './attributes.ts';
import { type Call, type CommandContext, runCommand } from './commands.ts';
import type { EventStream } from './event-stream.ts';
import { HttpServer } from './http-server.ts';
import { makeKeyPair } from './key-pair.ts';
import { Repository } from './repository.ts';
import { ReviewFaults } from './review-faults.ts';
import { SshServer } from './ssh-server.ts';
import {
  type ChangeRecord,
  currentPatchset,
  type EventJson,
  type GerritAccount,
  GerritState,
  type Label,
  type MessageRecord,
} from './state.ts';
import { WebUser } from './web-user.ts';

const MAX_COMMANDS = 1000;

export interface EmbeddedGerritOptions {
  /** Where the repositories are made. */
  readonly directory: string;
  readonly accounts: readonly NewAccount[];
  /** Verified and Code-Review, -2..+2 each, when left out. */
  readonly labels?: readonly Label[];
  readonly version?: string;
  /** Private host keys as OpenSSH text; one fresh Ed25519 key when left out. */
  readonly hostKeys?: readonly { readonly privateKey: string; readonly publicKey: string }[];
}

/** Left out: the name is the username, mail at example.org, no rights. */
export type NewAccount = Pick<GerritAccount, 'username'> & Partial<GerritAccount>;

export class EmbeddedGerrit {
  readonly host = '127.0.0.1';
  readonly state: GerritState;
  readonly faults = new ReviewFaults();
  /** Command lines that came in, newest last: `USER: LINE`. */
  readonly commands: string[] = [];
  /** Requests that came in by REST, newest last: `USER: METHOD PATH`. */
  readonly requests: string[] = [];
  /** Logins that were let in and turned away, connections ever made. */
  readonly counts = { connected: 0, authenticated: 0, rejected: 0, closed: 0 };
  readonly #directory: string;
  readonly #version: string;
  readonly #ssh: SshServer;
  readonly #rest: HttpServer;
  readonly #streams = new Map<EventStream, Socket>();
  readonly #waiters = new Set<() => void>();
  #hostKeys: readonly { readonly privateKey: string; readonly publicKey: string }[];
  readonly #mutex = new Semaphore(1);

  constructor(options: EmbeddedGerritOptions) {
    const both = { min: -2, max: 2 };
    this.state = new GerritState(
      options.labels ?? [
        { name: 'Verified', ...both },
        { name: 'Code-Review', ...both },
      ],
    );
    this.#directory = options.directory;
    this.#version = options.version ?? '3.12.0';
    this.#hostKeys = options.hostKeys ?? [makeKeyPair('host')];
    for (const account of options.accounts) this.setAccount(account);
    this.#ssh = new SshServer(
      this.#hostKeys.map((key) => key.privateKey),
      this.#version,
      {
        account: (username) => this.state.accounts.get(username),
        run: (call, socket) => this.#run(call, socket),
        onConnectionEvent: (what) => {
          this.counts[what] += 1;
          this.#recheckWaiters();
        },
      },
    );
    this.#rest = new HttpServer({
      state: this.state,
      version: this.#version,
      faults: this.faults,
      onRequest: (line) => {
        this.requests.push(line);
        if (this.requests.length > MAX_COMMANDS) this.requests.shift();
        this.#recheckWaiters();
      },
    });
    this.state.listen(() => this.#recheckWaiters());
  }

  async start(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await Promise.all([this.#ssh.open(), this.#rest.open()]);
    this.state.url = `http://${this.host}:${this.#rest.port}`;
  }

  /** Closes the port and every connection. Start opens the same port again. */
  async stop(): Promise<void> {
    this.refuseConnections();
    this.cutConnections();
    await this.until(() => this.#ssh.connections === 0);
  }

  get port(): number {
    return this.#ssh.port;
  }

  /** Connections to the REST interface that were ever made. */
  get restConnected(): number {
    return this.#rest.connected;
  }

  /** Lines for a known_hosts file. */
  get knownHosts(): string {
    return this.#hostKeys
      .map((key) => `[${this.host}]:${this.port} ${key.publicKey.split(' ').slice(0, 2).join(' ')}\n`)
      .join('');
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Makes or replaces an account; open connections keep the old one. */
  setAccount(account: NewAccount): GerritAccount {
    const { username } = account;
    const fullAccount: GerritAccount = {
      name: username,
      email: `${username}@example.org`,
      publicKeys: [],
      mayStream: false,
      labels: {},
      admin: false,
      ...account,
    };
    this.state.accounts.set(username, fullAccount);
    return fullAccount;
  }

  /** A project with one branch and one commit. */
  async createProject(
    name: string,
    files: Readonly<Record<string, string>> = {},
    branch = 'master',
  ): Promise<Repository> {
    const repository = new Repository(path.join(this.#directory, `${name}.git`));
    await repository.create(branch, files);
    this.state.projects.set(name, repository);
    return repository;
  }

  change(number: number): ChangeRecord {
    const change = this.state.changes.get(number);
    if (change === undefined) throw new Error(`no change ${number}`);
    return change;
  }

  /** Everything that was said on a change, oldest first; by one account where named. */
  messages(change: number, username?: string): readonly MessageRecord[] {
    const all = this.change(change).messages;
    return username === undefined ? all : all.filter((message) => message.author.username === username);
  }

  /** The account's votes on the newest patchset. */
  votes(change: number, username: string): Readonly<Record<string, number>> {
    const votes = [...currentPatchset(this.change(change)).votes];
    return Object.fromEntries(
      votes.flatMap(([label, by]) => {
        const vote = by.get(username);
        return vote === undefined ? [] : [[label, vote.value]];
      }),
    );
  }

  /** What a person would do on the web page. */
  as(username: string): WebUser {
    const account = this.state.accounts.get(username);
    if (account === undefined) throw new Error(`no account ${username}`);
    return new WebUser(this.state, account, (number) => this.change(number));
  }

  /** Resolves once the test holds; it is asked again whenever something happened here. */
  until(test: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const ask = (): void => {
        if (!test()) return;
        this.#waiters.delete(ask);
        resolve();
      };
      this.#waiters.add(ask);
      ask();
    });
  }

  /** Sends any event to everybody who listens. */
  publish(event: EventJson): void {
    this.state.publish(event, null);
  }

  /** Bytes into every open stream, as they are. */
  writeRaw(bytes: string | Buffer): void {
    for (const stream of this.#streams.keys()) stream.writeRaw(bytes);
  }

  /** Breaks every stream's connection; in the middle of a line when one is given. */
  cutStreams(line: EventJson | null = null): void {
    for (const [stream, socket] of this.#streams) {
      if (line !== null) {
        const text = toLine(line);
        stream.writeRaw(text.slice(0, Math.floor(text.length / 2)));
      }
      socket.destroySoon();
    }
  }

  /** Streams stay open and say nothing; commands are answered. */
  holdStreams(hold: boolean): void {
    for (const stream of this.#streams.keys()) hold ? stream.hold() : stream.release();
  }

  cutConnections(): void {
    this.#ssh.cut();
    this.#rest.cut();
  }

  /** Half dead: connections stay open, nothing is answered any more, events included. */
  setSilent(silent: boolean): void {
    this.#ssh.setSilent(silent);
    this.#rest.setSilent(silent);
    this.holdStreams(silent);
  }

  /** Connection refused, while what is open stays. */
  refuseConnections(): void {
    this.#ssh.refuse();
    this.#rest.refuse();
  }

  async acceptConnections(): Promise<void> {
    await Promise.all([this.#ssh.open(), this.#rest.open()]);
  }

  /** From the next connection on. */
  replaceHostKey(): void {
    this.#hostKeys = [makeKeyPair('host')];
    this.#ssh.replaceHostKeys(
      this.#hostKeys.map((key) => key.privateKey),
      this.#version,
    );
  }

  async #run(call: Call, socket: Socket): Promise<number | null> {
    this.commands.push(`${call.account.username}: ${call.line}`);
    if (this.commands.length > MAX_COMMANDS) this.commands.shift();
    this.#recheckWaiters();
    const context: CommandContext = {
      state: this.state,
      version: this.#version,
      faults: this.faults,
      serialize: (work) => this.#mutex.run(work),
      onStream: (stream) => {
        this.#streams.set(stream, socket);
        // Unread input would keep the channel from ever closing.
        call.channel.resume();
        call.channel.on('close', () => {
          stream.close();
          this.#streams.delete(stream);
          this.#recheckWaiters();
        });
        this.#recheckWaiters();
      },
    };
    return runCommand(call, context);
  }

  #recheckWaiters(): void {
    for (const ask of [...this.#waiters]) ask();
  }
}
