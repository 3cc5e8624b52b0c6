/** How the runner syncs its files: a power cut must not make a stage run twice, and a slow disk must not delay it. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RUNNER, runnerArguments } from '../../../src/adapters/run/runner-protocol.ts';
import { until } from '../local/scratch.ts';

let root: string;
let directory: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-runner-')));
  directory = join(root, 'run');
  for (const name of ['run', 'bin']) mkdirSync(join(root, name));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Puts a fake `sync` first in PATH. */
function fakeSync(script: string): void {
  writeFileSync(join(root, 'bin', 'sync'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, 'bin', 'sync'), 0o755);
}

/** Runs a command that ends at once. */
function run(): void {
  const times = { timeoutMs: 60_000, graceMs: 1_000, endingTimeoutMs: 60_000 };
  const order = { directory, workTree: root, argv: ['true'], outputLimitBytes: 10_000, ...times };
  const PATH = `${join(root, 'bin')}:${process.env.PATH}`;
  const { status } = spawnSync('sh', [RUNNER, ...runnerArguments(order)], { env: { PATH }, timeout: 30_000 });
  expect([status === null, readFileSync(join(directory, 'rc'), 'utf8')]).toEqual([false, 'exited 0  \n']);
}

const notes = () =>
  readFileSync(join(root, 'notes'), 'utf8').trim().replaceAll(directory, 'run').split('\n').sort();

describe('the runner', () => {
  test('syncs its pid and its exit record, by name', async () => {
    fakeSync(`held=$(ls /proc/$$/fd | grep -x -e 6 -e 9)
echo "sync $* there: $(cd ${directory}; ls pid rc 2>/dev/null | grep -x "\${1##*/}") held:$held" >>${root}/notes`);
    run();
    await until('both', () => notes().length === 2);
    expect(notes()).toEqual(['sync run/pid run there: pid held:', 'sync run/rc run there: rc held:']);
  });

  test('does not wait for a hanging disk: the command runs, and its exit record is written', () => {
    // Hangs until the test removes the directory.
    fakeSync(`case $1 in */pid) while [ -d ${root} ]; do sleep 0.1; done ;; esac`);
    run();
  });
});
