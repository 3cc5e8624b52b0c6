/** A real Gerrit that test files share, as a fixture for the contract suites. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GerritFixture, type GerritPerson, type StreamOutput } from '../../contracts/gerrit-fixture.ts';
import type { RealGerrit } from '../real-gerrit/real-gerrit.ts';
import { SEED_PROJECTS } from '../real-gerrit/seed.ts';
import { eventually } from '../waiting.ts';
import { sharedGerrit } from './shared-gerrit.ts';

export class RealGerritFixture extends GerritFixture {
  readonly gerrit: RealGerrit;
  #branches = 0;

  private constructor(directory: string, gerrit: RealGerrit) {
    super(directory);
    this.gerrit = gerrit;
  }

  static async open(): Promise<RealGerritFixture> {
    return new RealGerritFixture(mkdtempSync(join(tmpdir(), 'sos-ci-gerrit-')), sharedGerrit());
  }

  async close(): Promise<void> {
    this.kill();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }

  get port(): number {
    return this.gerrit.port;
  }

  get webUrl(): string {
    return this.gerrit.url;
  }

  get knownHostsFile(): string {
    return this.gerrit.knownHostsFile;
  }

  keyFile(user: string): string {
    return this.gerrit.keyFile(user);
  }

  person(user: string): GerritPerson {
    return this.gerrit.as(user);
  }

  /** Seeded projects already exist. */
  async createProject(name: string): Promise<unknown> {
    if (SEED_PROJECTS.some((seeded) => seeded === name)) return undefined;
    const project = { create_empty_commit: true, branches: ['master'] };
    return this.gerrit.as('admin').put(`projects/${encodeURIComponent(name)}`, project);
  }

  /** Gerrit does not report that a stream is open, so this creates branches until their events arrive. */
  async stream(user: string, options = ''): Promise<StreamOutput> {
    const output = this.openStream(user, options);
    await eventually('the stream is open', async () => {
      this.#branches += 1;
      await this.gerrit.as('admin').put(`projects/sandbox/branches/ping-${this.#branches}`, {});
      return output.text.includes(`refs/heads/ping-${this.#branches}"`);
    });
    output.text = '';
    return output;
  }
}
