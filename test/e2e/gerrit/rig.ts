/** One real Gerrit and one real sshd for all cases of a file; each case gets projects, a state directory and daemons of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GERRIT_VERSIONS, type GerritVersion } from '../../../src/demo/real-gerrit/jars.ts';
import { RealGerrit } from '../../../src/demo/real-gerrit/real-gerrit.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { Case, type CaseOptions } from './case.ts';

/** The version that this run is for; vitest.gerrit.config.ts sets it. */
export function wantedVersion(): GerritVersion {
  const wanted = process.env.SOS_CI_GERRIT_VERSION ?? GERRIT_VERSIONS[0];
  const found = GERRIT_VERSIONS.find((version) => version === wanted);
  if (found === undefined) throw new Error(`there is no Gerrit ${wanted} here`);
  return found;
}

export class Rig {
  readonly directory: string;
  readonly gerrit: RealGerrit;
  readonly sshd: Sshd;
  readonly #cases: Case[] = [];

  private constructor(directory: string, gerrit: RealGerrit, sshd: Sshd) {
    this.sshd = sshd;
    this.directory = directory;
    this.gerrit = gerrit;
  }

  /** `optimize`: for measurements. */
  static async start({ optimize = false } = {}): Promise<Rig> {
    const directory = mkdtempSync(join(tmpdir(), 'sos-ci-gerrit-'));
    const gerrit = await RealGerrit.make({
      directory: join(directory, 'gerrit'),
      version: wantedVersion(),
      optimize,
    });
    await gerrit.start();
    return new Rig(directory, gerrit, await Sshd.start());
  }

  async newCase(options: CaseOptions = {}): Promise<Case> {
    const one = new Case(
      this.gerrit,
      this.sshd,
      join(this.directory, `case-${this.#cases.length + 1}`),
      options,
    );
    this.#cases.push(one);
    await one.prepare();
    return one;
  }

  async stop(): Promise<void> {
    for (const one of this.#cases) await one.close();
    await this.sshd.close();
    await this.gerrit.stop();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }
}
