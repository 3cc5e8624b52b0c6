/** Runs the demo on the embedded Gerrit, inside the demo's process. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EmbeddedGerrit } from './gerrit/embedded-gerrit.ts';
import { makeKeyPair } from './gerrit/key-pair.ts';
import type { GerritHost, HeldResponse } from './gerrit-host.ts';
import type { Files } from './sample-project.ts';

const ADMIN = 'admin';
const CI = 'demo-ci';
const CI_NAME = 'Demo Storage CI';

export class EmbeddedHost implements GerritHost {
  readonly title = 'embedded';
  readonly ci = CI;
  readonly ciName = CI_NAME;
  readonly #directory: string;
  readonly #keys = new Map<string, string>();
  readonly #gerrit: EmbeddedGerrit;

  constructor(directory: string) {
    this.#directory = directory;
    const account = (username: string): { username: string; publicKeys: string[] } => {
      const pair = makeKeyPair(username);
      this.#keys.set(username, pair.privateKey);
      return { username, publicKeys: [pair.publicKey] };
    };
    const approves = { 'Code-Review': [-2, 2] } as const;
    this.#gerrit = new EmbeddedGerrit({
      directory: path.join(directory, 'git'),
      accounts: [
        { ...account('dev'), name: 'Dee Veloper', labels: approves },
        { ...account(CI), name: CI_NAME, mayStream: true, labels: { Verified: [-1, 1] } },
        { username: ADMIN, admin: true, labels: approves },
      ],
    });
  }

  get host(): string {
    return this.#gerrit.host;
  }

  get port(): number {
    return this.#gerrit.port;
  }

  get developerPort(): number {
    return this.#gerrit.port;
  }

  get knownHosts(): string {
    return this.#gerrit.knownHosts;
  }

  async start(): Promise<void> {
    await mkdir(path.join(this.#directory, 'keys'), { mode: 0o700 });
    for (const [username, key] of this.#keys) await writeFile(this.keyFile(username), key, { mode: 0o600 });
    await this.#gerrit.start();
  }

  stop(): Promise<void> {
    return this.#gerrit.stop();
  }

  keyFile(username: string): string {
    return path.join(this.#directory, 'keys', username);
  }

  async createProject(name: string, files: Files): Promise<void> {
    await this.#gerrit.createProject(name, files);
  }

  async newestChange(): Promise<number> {
    return this.#gerrit.state.changes.size;
  }

  async messages(change: number): Promise<readonly string[]> {
    return this.#gerrit.messages(change, CI).map(({ text }) => text);
  }

  async votes(change: number): Promise<Readonly<Record<string, number>>> {
    return this.#gerrit.votes(change, CI);
  }

  async merge(change: number): Promise<void> {
    const admin = this.#gerrit.as(ADMIN);
    admin.review(change, { labels: { 'Code-Review': 2 } });
    await admin.submit(change);
  }

  async reviewsSent(): Promise<number> {
    return this.#gerrit.commands.filter((line) => line.startsWith(`${CI}: gerrit review`)).length;
  }

  holdResponse(): HeldResponse {
    const held = this.#gerrit.faults.hold('after-applied');
    return { accepted: held.reached, release: () => held.release() };
  }
}
