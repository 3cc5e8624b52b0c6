/**
 * Measures how fast the product counts the tests in a subunit file of 100 MB, against python-subunit, and whether
 * memory depends on the size of the file. The file repeats real runs of Tempest.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openResults } from '../src/adapters/local/results-file.ts';
import { readSubunit } from '../src/adapters/results/subunit/report.ts';
import { findProgram } from '../test/fixtures/programs.ts';
import { inTurns, median, pooled, processorTime, type Result, ratioOf, spread } from './measure.ts';
import { withScratchDirectory } from './system.ts';

const SAMPLES = ['devstack-broken.subunit.gz', 'tempest-fail.subunit', 'tempest-pass.subunit'];
const SCRIPT = join('bench', 'python-subunit.py');
const MEGABYTES = 1_000_000;

export async function subunit(smoke: boolean): Promise<readonly Result[]> {
  const python = findProgram('subunit-ls');
  if (python === null) {
    console.error('subunit: python-subunit is not installed; .ci/run installs it');
    return [];
  }
  const bytes = (smoke ? 2 : 100) * MEGABYTES;
  return withScratchDirectory(async (directory) => {
    const [small, large] = [join(directory, 'small'), join(directory, 'large')];
    const runs = realRuns();
    const repeat = (size: number) => Buffer.concat(Array(Math.ceil(size / runs.length)).fill(runs));
    writeFileSync(small, repeat(bytes / 10));
    writeFileSync(large, repeat(bytes));
    const measured = await inTurns(smoke ? 1 : 11, {
      python: () => readWithPython(join(dirname(python), 'python3'), large),
      product: () => processorTime(() => read(large)),
    });
    const rate = (side: string) => Math.round(bytes / MEGABYTES / (median(pooled(measured, side)) / 1_000));
    const [atSmall, atLarge] = [await peakMemory(small), await peakMemory(large)];
    return [
      {
        benchmark: 'subunit',
        what: 'parsing a file and counting its tests, bytes per second',
        against: 'python-subunit',
        ...ratioOf(measured, 'python', 'product'),
        note: `${rate('product')} and ${rate('python')} MB/s of CPU time; ${bytes / MEGABYTES} MB`,
      },
      {
        benchmark: 'subunit',
        what: 'peak memory of the process while parsing',
        against: 'the same with a tenth of the file',
        ...spread([atLarge / atSmall]),
        note: `${Math.round(atLarge / 2 ** 20)} and ${Math.round(atSmall / 2 ** 20)} MiB`,
      },
    ];
  });
}

function realRuns(): Buffer {
  const read = (name: string) => readFileSync(join('test', 'samples', name));
  return Buffer.concat(SAMPLES.map((name) => (name.endsWith('.gz') ? gunzipSync(read(name)) : read(name))));
}

/** Resolves with the highest resident size of this process while it reads the file, in bytes. */
async function peakMemory(file: string): Promise<number> {
  let peak = 0;
  async function* watched() {
    for await (const chunk of await open(file)) {
      peak = Math.max(peak, process.memoryUsage.rss());
      yield chunk;
    }
  }
  await readSubunit(watched());
  return peak;
}

async function read(file: string): Promise<void> {
  const results = await readSubunit(await open(file));
  if ('unreadable' in results || results.failed === 0)
    throw new Error(`unexpected results: ${JSON.stringify(results)}`);
}

/** Opens the file in the same way as the runner. */
async function open(file: string): Promise<AsyncIterable<Uint8Array>> {
  const opened = await openResults(dirname(file), basename(file), Number.POSITIVE_INFINITY);
  if ('unreadable' in opened) throw new Error(opened.unreadable);
  return opened.chunks;
}

/** Milliseconds of CPU time, without the start of the interpreter. */
function readWithPython(python: string, file: string): number {
  const { stdout, stderr, status } = spawnSync(python, [SCRIPT, file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`python-subunit ended with ${status}: ${stderr}`);
  return Number(stdout) * 1_000;
}
