/**
 * A Gerrit for demos and tests, inside this process: an SSH server on loopback with real bare git repositories, the commands
 * and events that a CI uses, and its few REST calls. Responses match those of real servers.
 *
 * Known limits: no web page; changes live in memory; notes (`refs/changes/NN/N/meta`) are named in events
 * but not stored; every account may read every project and push for review; votes are not copied to a new patchset; submit
 * only fast-forwards; queries support the operators in query.ts and the output format JSON only.
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
  /** The directory of the repositories. */
  readonly directory: string;
  readonly accounts: readonly NewAccount[];
  /** Default: Verified and Code-Review, -2..+2 each. */
  readonly labels?: readonly Label[];
  readonly version?: string;
  /** Private host keys in OpenSSH format; default: one new Ed25519 key. */
  readonly hostKeys?: readonly { readonly privateKey: string; readonly publicKey: string }[];
}

/** Defaults: the username as name, mail at example.org, no permissions. */
export type NewAccount = Pick<GerritAccount, 'username'> & Partial<GerritAccount>;

export class EmbeddedGerrit {
  readonly host = '127.0.0.1';
  readonly state: GerritState;
  readonly faults = new ReviewFaults();
  /** Received command lines, newest last: `USER: LINE`. */
  readonly commands: string[] = [];
  /** Received REST requests, newest last: `USER: METHOD PATH`. */
  readonly requests: string[] = [];
  /** Connections, accepted logins, rejected logins, closed connections. */
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

  /** Closes both ports and all connections. `start` opens the same ports again. */
  async stop(): Promise<void> {
    this.refuseConnections();
    this.cutConnections();
    await this.until(() => this.#ssh.connections === 0);
  }

  get port(): number {
    return this.#ssh.port;
  }

  /** The number of connections to the REST interface so far. */
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

  /** Creates or replaces an account; open connections keep the old one. */
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

  /** Creates a project with one branch and one commit. */
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

  /** The messages on a change, oldest first; optionally only those of one account. */
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

  /** The actions of a user on the web page. */
  as(username: string): WebUser {
    const account = this.state.accounts.get(username);
    if (account === undefined) throw new Error(`no account ${username}`);
    return new WebUser(this.state, account, (number) => this.change(number));
  }

  /** Resolves once the test holds; runs it again after every event and request. */
  until(test: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!test()) return;
        this.#waiters.delete(check);
        resolve();
      };
      this.#waiters.add(check);
      check();
    });
  }

  /** Sends an event to all streams. */
  publish(event: EventJson): void {
    this.state.publish(event, null);
  }

  /** Writes raw bytes to every open stream. */
  writeRaw(bytes: string | Buffer): void {
    for (const stream of this.#streams.keys()) stream.writeRaw(bytes);
  }

  /** Breaks every stream's connection, in the middle of `line` if given. */
  cutStreams(line: EventJson | null = null): void {
    for (const [stream, socket] of this.#streams) {
      if (line !== null) {
        const text = toLine(line);
        stream.writeRaw(text.slice(0, Math.floor(text.length / 2)));
      }
      socket.destroySoon();
    }
  }

  /** Holds back the events of open streams; commands still work. */
  holdStreams(hold: boolean): void {
    for (const stream of this.#streams.keys()) hold ? stream.hold() : stream.release();
  }

  cutConnections(): void {
    this.#ssh.cut();
    this.#rest.cut();
  }

  /** Connections stay open but nothing is sent any more. */
  setSilent(silent: boolean): void {
    this.#ssh.setSilent(silent);
    this.#rest.setSilent(silent);
    this.holdStreams(silent);
  }

  /** Refuses new connections; open ones stay. */
  refuseConnections(): void {
    this.#ssh.refuse();
    this.#rest.refuse();
  }

  async acceptConnections(): Promise<void> {
    await Promise.all([this.#ssh.open(), this.#rest.open()]);
  }

  /** Applies from the next connection on. */
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
    for (const check of [...this.#waiters]) check();
  }
}
