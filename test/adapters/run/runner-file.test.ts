/** The order in which the runner puts its files on the disk: a power cut must not make a stage run twice. */
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
import { RUNNER, runnerArguments } from '../../../src/adapters/run/runner-file.ts';

let root: string;
let directory: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-runner-')));
  directory = join(root, 'run');
  for (const folder of ['run', 'bin']) mkdirSync(join(root, folder));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A `sync` that comes first in PATH. */
function fakeSync(script: string): void {
  writeFileSync(join(root, 'bin', 'sync'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, 'bin', 'sync'), 0o755);
}

/** What was noted of a run, each line by whoever did it. */
function run(): readonly string[] {
  const argv = ['sh', '-c', `echo command >>${join(root, 'notes')}`];
  const times = { timeoutMs: 60_000, graceMs: 1_000, endingTimeoutMs: 60_000 };
  const order = { directory, workTree: root, argv, outputLimitBytes: 10_000, ...times };
  const PATH = `${join(root, 'bin')}:${process.env.PATH}`;
  const { status } = spawnSync('sh', [RUNNER, ...runnerArguments(order)], { env: { PATH }, timeout: 30_000 });
  expect([status === null, readFileSync(join(directory, 'rc'), 'utf8')]).toEqual([false, 'exited 0\n']);
  return readFileSync(join(root, 'notes'), 'utf8').trim().replaceAll(directory, 'run').split('\n');
}

describe('the runner', () => {
  test('has its pid on the disk, by name, before the command is started, and its ending before it has its name', () => {
    fakeSync(`for there in pid rc; do [ -e ${directory}/$there ] && had="$had $there"; done
echo "sync $*:$had" >>${root}/notes
ls /proc/$$/fd | grep -qx -e 6 -e 9 && echo "holds a lock" >>${root}/notes; :`);
    expect(run()).toEqual([
      'sync -d run/pid.new:',
      'sync run: pid',
      'command',
      'sync -d run/rc.new: pid',
      'sync run: pid rc',
    ]);
  });

  test('starts the command without that where sync knows no files, and has it flush no whole disk before', () => {
    fakeSync(`echo "sync $*" >>${root}/notes; [ "$1" != -d ] || exit 1`);
    expect(run()).toEqual(['sync -d run/pid.new', 'command', 'sync -d run/rc.new']);
  });
});
