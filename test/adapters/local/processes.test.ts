/** Finding and ending real processes by their environment and locks. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  endProcesses,
  findProcesses,
  processStartTicks,
  processWithArgument,
  signalProcess,
} from '../../../src/adapters/local/processes.ts';
import { NEVER } from '../../fixtures/never.ts';
import { FOR_EVER, isAlive, kill, until } from './scratch.ts';

describe('processes', () => {
  const marker = `SOS_CI_TEST=${process.pid}`;
  const limits = { graceMs: 300, limitMs: 10_000, signal: NEVER };
  let children: ChildProcess[];

  beforeEach(() => {
    children = [];
  });
  afterEach(() => {
    for (const { pid } of children) if (pid !== undefined) kill(pid);
  });

  /** Resolves when the program has been executed, with its environment. */
  async function start(
    argv: readonly [string, ...string[]],
    environment: Record<string, string>,
    fd9?: number,
  ) {
    const stdio = fd9 === undefined ? [] : [...Array(6).fill('ignore'), fd9];
    const child = spawn(argv[0], argv.slice(1), {
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'ignore', 'ignore', ...stdio],
    });
    children.push(child);
    const pid = child.pid ?? 0;
    await until('its program', () => processWithArgument(pid, argv.at(-1) ?? ''));
    return pid;
  }
  const found = async (membership: Parameters<typeof findProcesses>[0]) =>
    (await findProcesses(membership)).map(({ pid }) => pid);

  it('matches only the complete marker', async () => {
    const [name, value] = marker.split('=') as [string, string];
    const pid = await start(['sleep', FOR_EVER], { A: 'b', [name]: value });
    await start(['sleep', FOR_EVER], { [name]: `${value}0` });
    await start(['sleep', FOR_EVER], { [`X${name}`]: value });
    await start(['sleep', FOR_EVER], { OTHER: marker });
    expect(await found({ marker, locks: [] })).toEqual([pid]);
    expect(await found({ marker, locks: [], except: [pid] })).toEqual([]);
  });

  it('finds processes that hold a lock file as fd 9, and their descendants', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sos-ci-processes-'));
    const fd = openSync(join(directory, 'lock'), 'a');
    const script = `sh -c "exec 9>&-; sleep ${FOR_EVER}; :" & wait`;
    const pid = await start(['sh', '-c', script], {}, fd);
    closeSync(fd);
    const membership = { marker: 'NO=thing', locks: [join(directory, 'lock')] };
    const all = await until('three processes', async () => {
      const now = await found(membership);
      return now.length === 3 && now;
    });
    expect(all).toContain(pid);
    expect(await found({ ...membership, except: [pid] })).toEqual([]);
    expect(await endProcesses(membership, limits)).toEqual([]);
    expect(all.filter(isAlive)).toEqual([]);
    rmSync(directory, { recursive: true });
  });

  it('ends processes that keep forking', async () => {
    const [name, value] = marker.split('=') as [string, string];
    const forkLoop =
      'trap "" TERM; while :; do sh -c "trap \\"\\" TERM; sleep 0.3; sleep 0.3" & sleep 0.02; done';
    await start(['sh', '-c', forkLoop], { [name]: value });
    await until('many processes', async () => (await found({ marker, locks: [] })).length > 10);
    expect(await endProcesses({ marker, locks: [] }, limits)).toEqual([]);
    expect(await found({ marker, locks: [] })).toEqual([]);
  });

  it('ends nothing if no process matches', async () => {
    expect(await endProcesses({ marker: 'NO=thing', locks: ['/no/such/lock'] }, limits)).toEqual([]);
  });

  it('identifies a process by its pid and start time', async () => {
    const pid = await start(['sleep', FOR_EVER], {});
    const target = processWithArgument(pid, FOR_EVER);
    if (target === null) throw new Error('process not found');
    expect(target.startTicks).toBe(processStartTicks(pid));
    expect(processWithArgument(pid, 'other')).toBeNull();
    expect(signalProcess({ ...target, startTicks: '1' }, 'SIGKILL')).toBe(false);
    expect(isAlive(pid)).toBe(true);
    expect(signalProcess(target, 'SIGKILL')).toBe(true);
    await until('its end', () => !isAlive(pid));
    expect(processStartTicks(pid)).toBeNull();
    expect(signalProcess(target, 'SIGKILL')).toBe(false);
  });
});
