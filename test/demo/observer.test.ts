import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  findDaemons,
  findFile,
  findGap,
  markedProcesses,
  readTicks,
  remainingServers,
  stageProcess,
} from '../../src/demo/observer.ts';

let directory: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sos-ci-outside-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
});

describe('ticks', () => {
  const complete = '1 7 0\n2 7 101\n3 7 250\n';

  test.each([
    ['complete', complete, ''],
    ['cut in its last line', `${complete}4 7`, ''],
    ['none', '', 'no ticks'],
    ['one is missing', '1 7 0\n3 7 200\n', 'line 2 is tick 3'],
    ['restarted', `${complete}1 8 0\n`, 'line 4 is tick 1'],
    ['by another process', '1 7 0\n2 8 100\n', 'tick 2 came from another process'],
    ['with a pause', '1 7 0\n2 7 1400\n', '1400 ms between ticks 1 and 2'],
    ['no numbers', 'a b c\n', 'line 1 is tick NaN'],
  ])('%s', (_name, text, gap) => expect(findGap(readTicks(text), 1000)).toBe(gap));
});

describe('processes', () => {
  test('of this directory are found by their marks', async () => {
    const run = path.join(directory, 'runs', '1');
    const marks = { SOS_CI_SERVER: 'one', HOME: directory, SOS_CI_RUN: run };
    const pid = await start(['cat', '-'], marks);
    await start(['cat', '-'], { SOS_CI_SERVER: 'two', HOME: '/elsewhere' });
    await start(['cat', '-'], { HOME: directory });
    expect(await markedProcesses(directory)).toEqual([
      { pid, startTicks: expect.stringMatching(/^\d+$/), command: 'cat -', run },
    ]);
    expect((await stageProcess(directory, 'cat -'))?.pid).toBe(pid);
    expect(await stageProcess(directory, './other.sh')).toBeNull();
  });

  test('daemons are recognized by their configuration', async () => {
    const config = path.join(directory, 'sos-ci.yaml');
    const pid = await start(['sh', '-c', 'cat', 'daemon', '--config', config], {});
    await start(['sh', '-c', 'cat', config], {});
    expect(await findDaemons(config)).toEqual([pid]);
    expect(await findDaemons('/no/such.yaml')).toEqual([]);
  });
});

describe('files', () => {
  test('servers are counted; without a directory there are none', async () => {
    expect(await remainingServers(directory)).toEqual([]);
    mkdirSync(path.join(directory, 'servers', 'one'), { recursive: true });
    expect(await remainingServers(directory)).toEqual(['one']);
  });

  test('a file is found anywhere below a directory', async () => {
    expect(await findFile(path.join(directory, 'none'), 'ticks.txt')).toBeNull();
    mkdirSync(path.join(directory, 'a', 'b'), { recursive: true });
    writeFileSync(path.join(directory, 'a', 'b', 'ticks.txt'), '');
    expect(await findFile(directory, 'ticks.txt')).toBe(path.join(directory, 'a', 'b', 'ticks.txt'));
  });
});

/** A process that lives until it is killed, with only this environment; resolves once it runs. */
async function start(argv: readonly string[], env: Record<string, string>): Promise<number> {
  const [program = '', ...rest] = argv;
  const PATH = process.env.PATH ?? '';
  const child = spawn(program, rest, { env: { PATH, ...env }, stdio: ['pipe', 'ignore', 'ignore'] });
  started.push(child);
  await new Promise((resolve, reject) => child.on('spawn', resolve).on('error', reject));
  return child.pid ?? 0;
}
