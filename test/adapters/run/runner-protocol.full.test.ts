/** The runner on a full disk: it still reports what it knows of a run, and a run ends when it must. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DISK_FULL, RUNNER, runnerArguments } from '../../../src/adapters/run/runner-protocol.ts';
import { mountSmallDisk, type SmallDisk } from '../../fixtures/small-disk.ts';
import { FOR_EVER, killProcessesIn, processesOf } from '../local/scratch.ts';

const FILL = 'dd if=/dev/zero of=big bs=64k 2>/dev/null; dd if=/dev/zero of=more bs=1 2>/dev/null';
const FILL_NAMES = 'i=0; while : >file$i; do i=$((i + 1)); done 2>/dev/null';

describe('the runner on a disk of 256 KB', () => {
  let root: string;
  let directory: string;
  let disk: SmallDisk | string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-full-')));
    disk = mountSmallDisk(join(root, 'disk'), '256k');
    directory = join(root, 'disk', 'run');
    mkdirSync(directory);
  });
  afterEach(async () => {
    await killProcessesIn(root);
    if (typeof disk !== 'string') disk.close();
    rmSync(root, { recursive: true, force: true });
  });

  function run(script: string, timeoutMs = 60_000) {
    const order = { directory, workTree: join(root, 'disk'), argv: ['bash', '-c', script] };
    const bounds = { timeoutMs, graceMs: 1_000, endingTimeoutMs: 5_000, outputLimitBytes: 1_000_000 };
    const argv = ['sh', RUNNER, ...runnerArguments({ ...order, ...bounds })];
    const { status } = spawnSync('timeout', ['-s', 'KILL', '15', ...argv], {
      env: { PATH: process.env.PATH },
    });
    return status;
  }
  const file = (name: string) => readFileSync(join(directory, name), 'utf8');

  test.for([
    ['content', FILL],
    ['files', FILL_NAMES],
  ] as const)('reports how a command ended that filled it with %s', ([_what, fill], context) => {
    if (typeof disk === 'string') context.skip(disk);
    expect(run(`${fill}; exit 1`)).toBe(0);
    expect(file('rc').trim()).toBe('exited 1');
  });

  test.for([
    ['content', FILL],
    ['files', FILL_NAMES],
  ] as const)('ends a command that filled it with %s at its deadline', ([_what, fill], context) => {
    if (typeof disk === 'string') context.skip(disk);
    expect(run(`${fill}; sleep ${FOR_EVER}`, 2_000)).toBe(0);
    expect(file('rc').trim()).toBe('timedOut');
    expect(processesOf(`sleep\0${FOR_EVER}`)).toEqual([]);
  });

  test('says in the log that output is missing', (context) => {
    if (typeof disk === 'string') context.skip(disk);
    expect(run('yes | head -c 600000; exit 3')).toBe(0);
    expect(file('rc').trim()).toBe('exited 3');
    expect(file('log')).toMatch(/\n\[sos-ci: output was dropped: the log cannot be written\]\n$/);
  });

  test('starts nothing without space for the exit record', (context) => {
    if (typeof disk === 'string') return context.skip(disk);
    disk.fill();
    expect(run('exit 0')).toBe(DISK_FULL);
    expect(existsSync(join(directory, 'pid'))).toBe(false);
  });
});
