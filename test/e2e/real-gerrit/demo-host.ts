/**
 * The demo on a real Gerrit, which is fetched and started for it. The daemon connects through a proxy that can hold
 * back responses, because the server itself cannot.
 */
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Developer } from '../../../src/demo/developer.ts';
import type { GerritHost, HeldResponse } from '../../../src/demo/gerrit-host.ts';
import type { Files } from '../../../src/demo/sample-project.ts';
import { GERRIT_VERSIONS, JAVA_FOR } from './jars.ts';
import { findJava } from './java.ts';
import { RealGerrit } from './real-gerrit.ts';
import type { GerritRest } from './rest.ts';
import { TcpProxy } from './tcp-proxy.ts';

const CI = 'acme-ci';

export class RealHost implements GerritHost {
  readonly ci = CI;
  readonly ciName = 'Acme CI';
  readonly host: string;
  readonly developerPort: number;
  readonly #directory: string;
  readonly #gerrit: RealGerrit;
  readonly #admin: GerritRest;
  #proxy: TcpProxy | null = null;

  private constructor(directory: string, gerrit: RealGerrit) {
    this.#directory = directory;
    this.#gerrit = gerrit;
    this.#admin = gerrit.as('admin');
    this.host = gerrit.host;
    this.developerPort = gerrit.port;
  }

  /** Fetches missing files. @throws Error that names what this machine lacks */
  static async make(directory: string): Promise<RealHost> {
    const newest = GERRIT_VERSIONS.findLast((version) => findJava(JAVA_FOR[version]) !== null);
    const version = newest ?? GERRIT_VERSIONS[0];
    return new RealHost(
      directory,
      await RealGerrit.make({ directory: path.join(directory, 'gerrit'), version }),
    );
  }

  get title(): string {
    return `Gerrit ${this.#gerrit.version}, ${this.#gerrit.url}`;
  }

  get port(): number {
    return this.#proxy?.port ?? 0;
  }

  get knownHosts(): string {
    const key = readFileSync(this.#gerrit.knownHostsFile, 'utf8').trimEnd().split(' ').slice(1).join(' ');
    return [this.port, this.developerPort].map((port) => `[${this.host}]:${port} ${key}\n`).join('');
  }

  async start(): Promise<void> {
    await this.#gerrit.start();
    this.#proxy = await TcpProxy.start(this.host, this.#gerrit.port);
  }

  async stop(): Promise<void> {
    await this.#proxy?.stop();
    await this.#gerrit.stop();
  }

  keyFile(username: string): string {
    return this.#gerrit.keyFile(username);
  }

  async createProject(name: string, files: Files): Promise<void> {
    await this.#admin.put(`projects/${encodeURIComponent(name)}`, {});
    const directory = path.join(this.#directory, `first-commit-${path.basename(name)}`);
    const knownHostsFile = path.join(this.#directory, 'known_hosts-first-commit');
    await writeFile(knownHostsFile, this.knownHosts);
    const url = `ssh://admin@${this.host}:${this.developerPort}/${name}`;
    await mkdir(directory);
    await Developer.pushInitialCommit(
      { directory, url, keyFile: this.keyFile('admin'), knownHostsFile },
      files,
    );
  }

  async newestChange(): Promise<number> {
    return Math.max(0, ...(await this.#admin.find('is:open OR is:closed')));
  }

  async messages(change: number): Promise<readonly string[]> {
    const { messages } = await this.#admin.change(change);
    return messages.filter(({ author }) => author === CI).map(({ text }) => text);
  }

  async votes(change: number): Promise<Readonly<Record<string, number>>> {
    const { votes } = await this.#admin.change(change);
    const ours = Object.entries(votes).map(([label, by]) => [label, by[CI] ?? 0] as const);
    return Object.fromEntries(ours.filter(([, value]) => value !== 0));
  }

  merge(change: number): Promise<void> {
    return this.#admin.merge(change);
  }

  /** Counted in Gerrit's own log of SSH commands. */
  async reviewsSent(): Promise<number> {
    const log = await readFile(path.join(this.#gerrit.directory, 'site', 'logs', 'sshd_log'), 'utf8');
    return log.split('\n').filter((line) => line.includes(` ${CI} `) && line.includes(' gerrit.review.'))
      .length;
  }

  holdResponse(): HeldResponse {
    const proxy = this.#proxy;
    if (proxy === null) throw new Error('the real Gerrit was not started');
    const before = this.newestChange();
    const accepted = proxy.holdResponsesWhen(async () => {
      const change = await this.newestChange();
      return change > (await before) && (await this.messages(change)).length > 0;
    });
    return {
      accepted,
      release: () => {
        proxy.heal();
        proxy.cutAll();
      },
    };
  }
}
