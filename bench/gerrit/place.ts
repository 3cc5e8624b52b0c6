/**
 * Where it is measured: a real Gerrit on this host, a project whose job does nothing but write down when it begins and
 * ends, and the configuration of twelve lines that an operator would write. Clocks are this host's.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACCOUNT, type Case } from '../../test/e2e/gerrit/case.ts';
import { Rig } from '../../test/e2e/gerrit/rig.ts';
import { quantile } from '../measure.ts';

const TESTING = 'note at $(date +%s%N)\n[ ! -e hold ] || wait_for_go\nnote end $(date +%s%N)\n';

export class Place {
  readonly rig: Rig;
  readonly one: Case;

  private constructor(rig: Rig, one: Case) {
    this.rig = rig;
    this.one = one;
  }

  static async open(): Promise<Place> {
    const rig = await Rig.start({ optimize: true });
    const one = await rig.newCase({ testing: TESTING });
    const place = new Place(rig, one);
    writeFileSync(one.config, place.configuration());
    return place;
  }

  close(): Promise<void> {
    return this.rig.stop();
  }

  configuration(program = './test.sh'): string {
    const { gerrit, name } = this.one;
    return `gerrit:
  host: ${gerrit.host}
  port: ${gerrit.port}
  user: ${ACCOUNT}
  key: ${gerrit.keyFile(ACCOUNT)}
  knownHosts: ${gerrit.knownHostsFile}
report: {label: Verified, success: 1, failure: -1}
prepare: {merge: true}
jobs:
  nothing:
    project: ${name}
    testing: {command: [${program}], exitCodeIsResult: true}
`;
  }

  /** A change whose job waits until it may go on. */
  pushHeld(): Promise<number> {
    rmSync(join(this.one.directory, 'go'), { force: true });
    return this.one.checkout().push({ files: { hold: '' } });
  }

  /** When the job of this change wrote this, in ms since the epoch; waits for it. */
  stamp(change: number, word: 'at' | 'end'): Promise<number> {
    return closely(`${word} of change ${change}`, () => this.stamps(change, word)[0] ?? null);
  }

  stamps(change: number, word: 'at' | 'end'): readonly number[] {
    const lines = readFileSync(this.one.ledgerFile, 'utf8').split('\n');
    return lines.flatMap((line) => {
      const [, patchset, , said, nanoseconds] = line.split(' ');
      return patchset === `${change},1` && said === word ? [Number(nanoseconds) / 1e6] : [];
    });
  }

  /** When our message is visible to others, in ms since the epoch. */
  visible(change: number): Promise<number> {
    return closely(`the review of ${change}`, async () =>
      (await this.one.messages(change)).length > 0 ? Date.now() : null,
    );
  }

  /** Everything has ended and nothing is left; then nothing disturbs the next run. */
  async quiet(): Promise<void> {
    if (existsSync(join(this.one.stateDir, 'sos-ci.db'))) await this.one.settled();
  }
}

const LOOK_EVERY_MS = 4;
const LIMIT_MS = 180_000;

/** Looks so often that looking does not show in the figures. */
export async function closely<T>(what: string, look: () => T | null | Promise<T | null>): Promise<T> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > end) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** `0.43 s (0.40..0.61, 12 runs)` */
export function seconds(values: readonly number[]): string {
  const text = (ms: number): string => (ms / 1000).toFixed(2);
  const [low, middle, high] = [0, 0.5, 1].map((share) => text(quantile(values, share)));
  return `${middle} s (${low}..${high}, ${values.length} runs)`;
}
