/**
 * `npm run bench:gerrit`: measures delays and the cost of faults on a real Gerrit with the built program. Arguments:
 * names of benchmarks (default: all), `--runs N` (default: 12), `--json`.
 */
import { cpus, loadavg, totalmem } from 'node:os';
import { Testbed } from '../../test/e2e/gerrit/testbed.ts';
import { faults } from './faults.ts';
import { growth } from './growth.ts';
import { timings } from './timings.ts';

/** One row of the table: figures, or how many times a property held. */
export interface Row {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  /** Null: there is no goal. */
  readonly met: boolean | null;
}

export type Bench = (testbed: Testbed, runs: number) => Promise<readonly Row[]>;

const BENCHES: Readonly<Record<string, Bench>> = { ...timings, ...faults, ...growth };

const INTERRUPTED = 130;
const args = process.argv.slice(2);
const at = args.indexOf('--runs');
const runs = at < 0 ? 12 : Number(args[at + 1]);
const names = args.filter((word, index) => !word.startsWith('--') && (at < 0 || index !== at + 1));
const unknown = names.filter((name) => BENCHES[name] === undefined);
if (unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
  console.error(
    `bench:gerrit: invalid arguments: ${args.join(' ')}; valid are --runs N, --json and ${Object.keys(BENCHES).join(', ')}`,
  );
  process.exitCode = 2;
} else {
  await run();
}

/** Runs the benchmarks on one Gerrit, which runs optimized. */
async function run(): Promise<void> {
  const rows: Row[] = [];
  const testbed = await Testbed.alone({ optimize: true });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void testbed.stop().finally(() => process.exit(INTERRUPTED)));
  }
  try {
    for (const [name, bench] of Object.entries(BENCHES)) {
      if (names.length > 0 && !names.includes(name)) continue;
      const begin = performance.now();
      const measured = await bench(testbed, runs);
      rows.push(...measured);
      const took = ((performance.now() - begin) / 1000).toFixed(0);
      console.error(`${name}: ${took} s, load ${loadavg()[0]?.toFixed(1)}`);
      for (const { what, measured: text } of measured) console.error(`  ${what}: ${text}`);
    }
  } finally {
    await testbed.stop();
  }
  if (args.includes('--json')) console.log(JSON.stringify({ machine: machine(), runs, rows }, null, 2));
  else print(rows);
}

function print(rows: readonly Row[]): void {
  console.log(`${machine()}\n`);
  console.log('| | measured | goal | |');
  console.log('|---|---|---|---|');
  for (const { what, measured, goal, met } of rows) {
    console.log(`| ${what} | ${measured} | ${goal} | ${met === null ? '' : met ? 'met' : 'missed'} |`);
  }
}

function machine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const load = loadavg().map((value) => value.toFixed(1));
  return `${cpus().length} x ${first?.model ?? 'unknown'}, ${memory} GiB, Node ${process.version}, load ${load.join(' ')}`;
}
