/** A server of the lab from outside: its processes as this host sees them, and its files. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { processStartTicks } from '../../../src/adapters/sqlite/lock.ts';
import type { Cloud } from '../openstack/cloud.ts';

export interface TempestRun {
  readonly pid: number;
  /** From /proc; with the pid it identifies the process. */
  readonly startTicks: number;
  /** Run directories on the server that are Tempest's. */
  readonly runs: readonly string[];
}

/** Tempest on this server, once its first test has ended. Null: not yet, or no longer. */
export function tempestOn(cloud: Cloud, server: string): TempestRun | null {
  const root = cloud.guestFile(server, '.');
  if (root === null) return null;
  try {
    const stream = readdirSync(join(root, 'opt/stack/tempest/.stestr')).find((name) => /^tmp/.test(name));
    if (stream === undefined) return null;
    const text = readFileSync(join(root, 'opt/stack/tempest/.stestr', stream), 'latin1');
    if (!text.includes('.test_')) return null;
    const namespace = readlinkSync(join(root, '../ns/pid'));
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const run = runOf(pid, namespace);
      if (run === null) continue;
      const directory = dirname(run);
      const runs = readdirSync(join(root, directory)).filter((name) => name.endsWith('-tempest'));
      return { pid: Number(pid), startTicks: processStartTicks(Number(pid)), runs };
    }
  } catch {
    // It has ended meanwhile.
  }
  return null;
}

/** The run directory of this process, if it is Tempest itself and not one of its workers. */
function runOf(pid: string, namespace: string): string | null {
  try {
    const [, program, word] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (program !== '/usr/bin/tempest' || word !== 'run') return null;
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return null;
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return environment.find((entry) => entry.startsWith('SOS_CI_RUN='))?.slice('SOS_CI_RUN='.length) ?? null;
  } catch {
    return null;
  }
}
