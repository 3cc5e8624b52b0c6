/**
 * Where it is measured: a real Gerrit on this host, a project whose job does nothing but write down when it begins and
 * ends, and the configuration that an operator would write. All clocks are this host's.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../../test/e2e/gerrit/case.ts';
import { ACCOUNT, nodesAt } from '../../test/e2e/gerrit/case-config.ts';
import type { Rig } from '../../test/e2e/gerrit/rig.ts';
import { quantile } from '../measure.ts';

const TESTING = 'note at $(date +%s%N)\n[ ! -e hold ] || wait_for_go\nnote end $(date +%s%N)\n';

export interface Job {
  readonly program?: string;
  /** On a node, by SSH; else on this host. */
  readonly node?: boolean;
}

export class Place {
  readonly rig: Rig;
  readonly one: Case;

  private constructor(rig: Rig, one: Case) {
    this.rig = rig;
    this.one = one;
  }

  /** A project and a state directory that nobody has used. */
  static async open(rig: Rig, job: Job = {}): Promise<Place> {
    const place = new Place(rig, await rig.newCase({ testing: TESTING }));
    writeFileSync(place.one.config, place.configuration(job));
    return place;
  }

  configuration({ program = './test.sh', node = false }: Job = {}): string {
    const { gerrit, name } = this.one;
    const nodes = nodesAt(this.rig.sshd, [join(this.one.directory, 'node-1')]);
    return `stateDir: state
gerrit:
  host: ${gerrit.host}
  port: ${gerrit.port}
  user: ${ACCOUNT}
  key: ${gerrit.keyFile(ACCOUNT)}
  knownHosts: ${gerrit.knownHostsFile}
report: {label: Verified, success: 1, failure: -1}
${node ? `providers: ${JSON.stringify({ nodes })}\n` : ''}jobs:
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
  untilIdle(): Promise<void> {
    return this.one.settled();
  }
}

const LOOK_EVERY_MS = 15;
const LIMIT_MS = 180_000;

/** Looks so often that looking hardly shows in the figures. */
async function closely<T>(what: string, look: () => T | null | Promise<T | null>): Promise<T> {
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
