/**
 * A real Gerrit, which all files share unless one wants to stop it, and one real sshd for all cases of a file; each case
 * gets projects, a state directory and daemons of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Sshd } from '../../fixtures/sshd.ts';
import { RealGerrit } from '../real-gerrit/real-gerrit.ts';
import { Case } from './case.ts';
import { type CaseOptions, NODE_ADDRESSES } from './case-config.ts';
import { wantedVersion } from './version.ts';

export class Rig {
  readonly directory: string;
  readonly gerrit: RealGerrit;
  readonly #cases: Case[] = [];
  readonly sshd: Sshd;

  private constructor(directory: string, gerrit: RealGerrit, sshd: Sshd) {
    this.sshd = sshd;
    this.directory = directory;
    this.gerrit = gerrit;
  }

  /** With a Gerrit that somebody else stops. */
  static async on(gerrit: RealGerrit): Promise<Rig> {
    return new Rig(newDirectory(), gerrit, await startSshd());
  }

  /** With a Gerrit of its own, which may be stopped. `optimize`: for measurements. */
  static async alone({ optimize = false } = {}): Promise<Rig> {
    const directory = newDirectory();
    const version = wantedVersion();
    const gerrit = await RealGerrit.make({ directory: join(directory, 'gerrit'), version, optimize });
    await gerrit.start();
    return new Rig(directory, gerrit, await startSshd());
  }

  async newCase(options: CaseOptions = {}): Promise<Case> {
    const number = this.#cases.length + 1;
    // Others on the same Gerrit have cases too.
    const name = `${basename(this.directory).split('-').at(-1)}-${number}`;
    const directory = join(this.directory, `case-${number}`);
    const one = new Case(this.gerrit, this.sshd, { name, directory }, options);
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

/** It listens on all addresses that nodes have, because one host has one job at a time. */
function startSshd(): Promise<Sshd> {
  return Sshd.start(NODE_ADDRESSES.slice(1).map((address) => `ListenAddress ${address}`));
}

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'sos-ci-gerrit-'));
}
