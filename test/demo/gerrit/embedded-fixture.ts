/**
 * An embedded Gerrit, by default with four users, and the real git and ssh clients. All files are in one temporary
 * directory, which is removed when the fixture is closed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EmbeddedGerrit, type NewAccount } from '../../../src/demo/gerrit/embedded-gerrit.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { GerritFixture, type GerritPerson, type StreamOutput } from '../../contracts/gerrit-fixture.ts';

const PEOPLE: readonly NewAccount[] = [
  { username: 'dev', labels: { 'Code-Review': [-1, 1] } },
  { username: 'zuul', mayStream: true, labels: { Verified: [-2, 2] } },
  { username: 'acme-ci', mayStream: true, labels: { Verified: [-2, 2], 'Code-Review': [-1, 1] } },
  {
    username: 'admin',
    name: 'Administrator',
    email: 'admin@example.com',
    admin: true,
    labels: { 'Code-Review': [-2, 2] },
  },
];

export class EmbeddedFixture extends GerritFixture {
  readonly gerrit: EmbeddedGerrit;

  constructor(people: readonly NewAccount[] = PEOPLE) {
    super(mkdtempSync(path.join(tmpdir(), 'sos-ci-gerrit-')));
    const accounts = people.map((person) => {
      const key = makeKeyPair(person.username);
      writeFileSync(this.keyFile(person.username), key.privateKey, { mode: 0o600 });
      return { ...person, publicKeys: [key.publicKey] };
    });
    this.gerrit = new EmbeddedGerrit({ directory: path.join(this.directory, 'git'), accounts });
  }

  async open(): Promise<this> {
    await this.gerrit.start();
    this.trustHost();
    return this;
  }

  async close(): Promise<void> {
    this.kill();
    await this.gerrit.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  get port(): number {
    return this.gerrit.port;
  }

  get webUrl(): string {
    return this.gerrit.state.url;
  }

  get knownHostsFile(): string {
    return path.join(this.directory, 'known_hosts');
  }

  keyFile(user: string): string {
    return path.join(this.directory, `${user}.key`);
  }

  trustHost(): void {
    writeFileSync(this.knownHostsFile, this.gerrit.knownHosts);
  }

  createProject(name: string): Promise<unknown> {
    return this.gerrit.createProject(name);
  }

  person(user: string): GerritPerson {
    const person = this.gerrit.as(user);
    return Object.assign(person, {
      merge: async (change: number) => {
        person.review(change, { labels: { 'Code-Review': 2 } });
        await person.submit(change);
      },
    });
  }

  async stream(user: string, options = ''): Promise<StreamOutput> {
    const before = this.gerrit.streams;
    const output = this.openStream(user, options);
    await this.gerrit.until(() => this.gerrit.streams > before);
    return output;
  }
}
