/**
 * `npm run bench`: compares the product with the minimum work that the machine must do, alternately in the same run.
 * Arguments: names of benchmarks (default: all quick ones), `--smoke` (seconds; shows that each one works), `--json`.
 */
import { cpus, loadavg } from 'node:os';
import { append } from './append.ts';
import { cliStart } from './cli-start.ts';
import { groupCommit } from './group-commit.ts';
import { intake } from './intake.ts';
import { jobDelay } from './job-delay.ts';
import type { Result } from './measure.ts';
import { replay } from './replay.ts';
import { restart, restartLarge } from './restart.ts';
import { servers } from './servers.ts';
import { subunit } from './subunit.ts';

const BENCHMARKS: Readonly<Record<string, (smoke: boolean) => Promise<readonly Result[]>>> = {
  append,
  'group-commit': groupCommit,
  'job-delay': jobDelay,
  intake,
  restart,
  'restart-10000': restartLarge,
  replay,
  subunit,
  servers,
  'cli-start': cliStart,
};

const ON_REQUEST = new Set(['restart-10000']);

const args = process.argv.slice(2);
const flags = args.filter((word) => word.startsWith('--'));
const names = args.filter((word) => !word.startsWith('--'));
const unknown = [
  ...flags.filter((flag) => flag !== '--smoke' && flag !== '--json'),
  ...names.filter((name) => BENCHMARKS[name] === undefined),
];
if (unknown.length > 0) {
  console.error(
    `bench: unknown arguments: ${unknown.join(', ')}; valid are --smoke, --json and ${Object.keys(BENCHMARKS).join(', ')}`,
  );
  process.exitCode = 2;
} else {
  await run(flags.includes('--smoke'), flags.includes('--json'));
}

async function run(smoke: boolean, json: boolean): Promise<void> {
  const results: Result[] = [];
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (!(names.length === 0 ? !ON_REQUEST.has(name) : names.includes(name))) continue;
    const begin = performance.now();
    results.push(...(await benchmark(smoke)));
    console.error(`${name}: ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  }
  if (json) console.log(JSON.stringify({ machine: machine(), smoke, results }, null, 2));
  else printTable(results, smoke);
}

function printTable(results: readonly Result[], smoke: boolean): void {
  console.log(`${machine()}${smoke ? ' -- smoke: the figures mean nothing' : ''}\n`);
  console.log('| benchmark | measured | against | ratio (range) | |');
  console.log('|---|---|---|---|---|');
  for (const result of results) {
    const { benchmark, what, against, ratio, low, high, note } = result;
    const cells = [benchmark, what, against, `${figure(ratio)} (${figure(low)}..${figure(high)})`];
    console.log(`| ${[...cells, note].join(' | ')} |`);
  }
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function machine(): string {
  const processors = cpus();
  const load = loadavg()[0] ?? 0;
  return `${processors.length} cores (${processors[0]?.model ?? 'unknown'}), Node ${process.versions.node}, load ${load.toFixed(1)}`;
}
