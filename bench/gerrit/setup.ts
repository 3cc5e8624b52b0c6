/**
 * The setup of a benchmark: a real Gerrit on this host, a project whose job only records when it begins and ends, and
 * the configuration that an operator would write. All times are from this host's clock.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCase } from '../../test/e2e/gerrit/case.ts';
import { ACCOUNT, nodesAt } from '../../test/e2e/gerrit/case-config.ts';
import type { Testbed } from '../../test/e2e/gerrit/testbed.ts';
import { quantile } from '../measure.ts';

const TESTING = 'note at $(date +%s%N)\n[ ! -e hold ] || wait_for_go\nnote end $(date +%s%N)\n';

export interface Job {
  readonly program?: string;
  /** True: runs on a node over SSH. False: runs on this host. */
  readonly node?: boolean;
}

export class BenchSetup {
  readonly testbed: Testbed;
  readonly case: TestCase;

  private constructor(testbed: Testbed, benchCase: TestCase) {
    this.testbed = testbed;
    this.case = benchCase;
  }

  /** A new project and a new state directory. */
  static async open(testbed: Testbed, job: Job = {}): Promise<BenchSetup> {
    const setup = new BenchSetup(testbed, await testbed.newCase({ testing: TESTING }));
    writeFileSync(setup.case.config, setup.configuration(job));
    return setup;
  }

  configuration({ program = './test.sh', node = false }: Job = {}): string {
    const { gerrit, name } = this.case;
    const nodes = nodesAt(this.testbed.sshd, [join(this.case.directory, 'node-1')]);
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

  /** Pushes a change whose job waits for `go`. */
  pushHeld(): Promise<number> {
    rmSync(join(this.case.directory, 'go'), { force: true });
    return this.case.checkout().push({ files: { hold: '' } });
  }

  /** Waits until the job of this change has recorded this event. Resolves with its time in ms since the epoch. */
  eventTime(change: number, event: 'at' | 'end'): Promise<number> {
    return pollClosely(`${event} of change ${change}`, () => this.eventTimes(change, event)[0] ?? null);
  }

  eventTimes(change: number, event: 'at' | 'end'): readonly number[] {
    const lines = readFileSync(this.case.ledgerFile, 'utf8').split('\n');
    return lines.flatMap((line) => {
      const [, patchset, , recorded, nanoseconds] = line.split(' ');
      return patchset === `${change},1` && recorded === event ? [Number(nanoseconds) / 1e6] : [];
    });
  }

  /** Waits until our message is visible to others. Resolves with that time in ms since the epoch. */
  reviewTime(change: number): Promise<number> {
    return pollClosely(`the review of ${change}`, async () =>
      (await this.case.messages(change)).length > 0 ? Date.now() : null,
    );
  }

  /** Resolves when all jobs have ended and nothing is left that could disturb the next run. */
  untilIdle(): Promise<void> {
    return this.case.settled();
  }
}

const POLL_MS = 15;
const LIMIT_MS = 180_000;

/** Polls so often that the interval hardly affects the figures. */
async function pollClosely<T>(what: string, poll: () => T | null | Promise<T | null>): Promise<T> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const found = await poll();
    if (found !== null) return found;
    if (performance.now() > end) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** `0.43 s (0.40..0.61, 12 runs)` */
export function seconds(values: readonly number[]): string {
  const text = (ms: number): string => (ms / 1000).toFixed(2);
  const [low, middle, high] = [0, 0.5, 1].map((share) => text(quantile(values, share)));
  return `${middle} s (${low}..${high}, ${values.length} runs)`;
}
