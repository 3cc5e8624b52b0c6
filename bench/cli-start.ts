/**
 * Measures the start of the built program as a process (`--help` and `status`) against Node with an empty file. Shows
 * whether a command loads modules that it does not need.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../src/adapters/sqlite/store.ts';
import { inTurns, median, ms, pooled, type Result, ratioOf, timedSync } from './measure.ts';
import { withScratchDirectory } from './system.ts';

const PROGRAM = join('dist', 'cli', 'main.js');

export async function cliStart(smoke: boolean): Promise<readonly Result[]> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not built: npm run build`);
  return withScratchDirectory(async (directory) => {
    const empty = join(directory, 'empty.mjs');
    writeFileSync(empty, '');
    openStore(join(directory, 'sos-ci.db')).close();
    const measured = await inTurns(smoke ? 2 : 41, {
      node: () => start([empty], 0),
      help: () => start([PROGRAM, '--help'], 0),
      // 1: no daemon runs.
      status: () => start([PROGRAM, 'status', '--state', directory], 1),
    });
    const time = (side: string) => ms(median(pooled(measured, side)));
    return [
      {
        benchmark: 'cli-start',
        what: 'sos-ci --help',
        against: 'node with an empty file',
        ...ratioOf(measured, 'help', 'node'),
        note: `${time('help')} and ${time('node')}`,
      },
      {
        benchmark: 'cli-start',
        what: 'sos-ci status',
        against: 'node with an empty file',
        ...ratioOf(measured, 'status', 'node'),
        note: `${time('status')} and ${time('node')}`,
      },
    ];
  });
}

function start(argv: readonly string[], code: number): number {
  let status: number | null = null;
  const time = timedSync(() => {
    ({ status } = spawnSync(process.execPath, argv, { stdio: 'ignore' }));
  });
  if (status !== code) throw new Error(`${argv.join(' ')} ended with ${status}`);
  return time;
}
