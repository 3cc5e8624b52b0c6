/**
 * A real Gerrit, which test files share unless they stop it, and one real sshd for all cases of a file. Each case gets
 * separate projects, a separate state directory and its own daemons.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Sshd } from '../../fixtures/sshd.ts';
import { RealGerrit } from '../real-gerrit/real-gerrit.ts';
import { PASSWORD } from '../real-gerrit/seed.ts';
import { TestCase } from './case.ts';
import { type CaseOptions, NODE_ADDRESSES, type Section } from './case-config.ts';
import { wantedVersion } from './version.ts';

export class Testbed {
  readonly directory: string;
  readonly gerrit: RealGerrit;
  readonly #cases: TestCase[] = [];
  readonly sshd: Sshd;

  private constructor(directory: string, gerrit: RealGerrit, sshd: Sshd) {
    this.sshd = sshd;
    this.directory = directory;
    this.gerrit = gerrit;
  }

  /** With a running Gerrit that the caller does not stop. */
  static async on(gerrit: RealGerrit): Promise<Testbed> {
    return new Testbed(newDirectory(), gerrit, await startSshd());
  }

  /** With a separate Gerrit, which may be stopped. `optimize`: for measurements. `settings`: of gerrit.config. */
  static async alone({
    optimize = false,
    settings = {},
  }: {
    readonly optimize?: boolean;
    readonly settings?: Readonly<Record<string, string>>;
  } = {}): Promise<Testbed> {
    const directory = newDirectory();
    const version = wantedVersion();
    const gerrit = await RealGerrit.make({ directory: join(directory, 'gerrit'), version, optimize });
    await gerrit.set(settings);
    await gerrit.start();
    return new Testbed(directory, gerrit, await startSshd());
  }

  async newCase(options: CaseOptions = {}): Promise<TestCase> {
    const number = this.#cases.length + 1;
    // Other test files use the same Gerrit, so the name includes this one's directory.
    const name = `${basename(this.directory).split('-').at(-1)}-${number}`;
    const directory = join(this.directory, `case-${number}`);
    const testCase = new TestCase(this.gerrit, this.sshd, { name, directory }, options);
    this.#cases.push(testCase);
    await testCase.prepare();
    return testCase;
  }

  /** Keys of the section `gerrit` for reviews and history over REST. */
  rest(): Section {
    const file = join(this.directory, 'rest-password');
    writeFileSync(file, PASSWORD, { mode: 0o600 });
    return { rest: { url: this.gerrit.url, password: { file } } };
  }

  async stop(): Promise<void> {
    for (const testCase of this.#cases) await testCase.close();
    await this.sshd.close();
    await this.gerrit.stop();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Listens on the addresses of all nodes: each runs one job at a time, and all are this host. */
function startSshd(): Promise<Sshd> {
  return Sshd.start(NODE_ADDRESSES.slice(1).map((address) => `ListenAddress ${address}`));
}

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'sos-ci-gerrit-'));
}
