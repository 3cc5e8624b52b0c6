/** The shared environment of the end-to-end tests with the embedded Gerrit. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedGerrit } from '../../src/demo/gerrit/embedded-gerrit.ts';
import { makeKeyPair } from '../../src/demo/gerrit/key-pair.ts';
import { ACCOUNT, type CaseOptions, TestCase } from './case.ts';
import { FaultyProgram } from './faulty-program.ts';

/**
 * One Gerrit, in the test's process, for all cases of a file; each case gets a separate project and state directory.
 */
export class Testbed {
  readonly directory = mkdtempSync(join(tmpdir(), 'sos-ci-e2e-'));
  readonly gerrit: EmbeddedGerrit;
  #cases = 0;
  #faulty: FaultyProgram | null = null;

  private constructor() {
    const ci = makeKeyPair(ACCOUNT);
    const dev = makeKeyPair('dev');
    this.gerrit = new EmbeddedGerrit({
      directory: join(this.directory, 'gerrit'),
      accounts: [
        {
          username: ACCOUNT,
          publicKeys: [ci.publicKey],
          mayStream: true,
          labels: { Verified: [-1, 1] },
        },
        { username: 'dev', publicKeys: [dev.publicKey] },
      ],
    });
    writeFileSync(join(this.directory, 'ci.key'), ci.privateKey, { mode: 0o600 });
    writeFileSync(join(this.directory, 'dev.key'), dev.privateKey, { mode: 0o600 });
  }

  static async start(): Promise<Testbed> {
    const testbed = new Testbed();
    await testbed.gerrit.start();
    writeFileSync(join(testbed.directory, 'known_hosts'), testbed.gerrit.knownHosts);
    return testbed;
  }

  async newCase(options: CaseOptions): Promise<TestCase> {
    this.#cases += 1;
    const testCase = new TestCase(this, `case-${this.#cases}`, options);
    await testCase.prepare();
    return testCase;
  }

  /** The daemon with fault points, bundled when it is first used. */
  get faultyProgram(): string {
    this.#faulty ??= new FaultyProgram();
    return this.#faulty.main;
  }

  async stop(): Promise<void> {
    this.#faulty?.remove();
    await this.gerrit.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
