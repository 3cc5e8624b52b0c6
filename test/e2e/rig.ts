/** One embedded Gerrit, in the test's own process, for all cases of a file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedGerrit } from '../../src/demo/gerrit/embedded-gerrit.ts';
import { makeKeyPair } from '../../src/demo/gerrit/key-pair.ts';
import { ACCOUNT, Case, type CaseOptions } from './case.ts';
import { FaultyProgram } from './faulty-program.ts';

/** One Gerrit for all cases of a file; each case gets a project and a state directory of its own. */
export class Rig {
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

  static async start(): Promise<Rig> {
    const rig = new Rig();
    await rig.gerrit.start();
    writeFileSync(join(rig.directory, 'known_hosts'), rig.gerrit.knownHosts);
    return rig;
  }

  async newCase(options: CaseOptions): Promise<Case> {
    this.#cases += 1;
    const one = new Case(this, `case-${this.#cases}`, options);
    await one.prepare();
    return one;
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
