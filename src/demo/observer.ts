/**
 * Observes the demo from outside, without queries to sos-ci: marked processes in /proc, directories, and the ticks that
 * a test wrote. Where the demo's claims can be checked against these, they are, and not against the daemon's log.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** A process of a stage or server, known by the marks in its environment. */
export interface MarkedProcess {
  readonly pid: number;
  /** The kernel's start time: unique together with the pid. */
  readonly startTicks: string;
  readonly command: string;
  /** Its run directory; '' for a server's process outside of a run. */
  readonly run: string;
}

/** Processes that carry our marks and belong to this directory. */
export async function markedProcesses(directory: string): Promise<readonly MarkedProcess[]> {
  const result: MarkedProcess[] = [];
  for (const pid of await pids()) {
    const environment = (await readProc(pid, 'environ')).split('\0');
    const marked = environment.some((entry) => /^SOS_CI_(SERVER|RUN)=/.test(entry));
    if (!marked || !environment.some((entry) => entry.includes(directory))) continue;
    const run = environment.find((entry) => entry.startsWith('SOS_CI_RUN='))?.slice('SOS_CI_RUN='.length);
    result.push({ pid, startTicks: await startTicks(pid), command: await commandLine(pid), run: run ?? '' });
  }
  return result;
}

/** The process of the stage's own command, not one of our helpers. */
export async function stageProcess(directory: string, command: string): Promise<MarkedProcess | null> {
  const result = await markedProcesses(directory);
  return result.find((one) => one.run !== '' && one.command.endsWith(command)) ?? null;
}

/** Daemons that were started with this configuration. */
export async function findDaemons(config: string): Promise<readonly number[]> {
  const result: number[] = [];
  for (const pid of await pids()) {
    const args = (await readProc(pid, 'cmdline')).split('\0');
    if (args.includes('daemon') && args.includes(config)) result.push(pid);
  }
  return result;
}

/** Directories of servers that still exist. */
export async function remainingServers(stateDir: string): Promise<readonly string[]> {
  return listNames(path.join(stateDir, 'servers'));
}

/** Evidence that is not published yet. */
export async function stagedEvidence(stateDir: string): Promise<readonly string[]> {
  return listNames(path.join(stateDir, 'evidence'));
}

/** One line of the ticker: its number, its process, and the time in ms since the first tick. */
export interface Tick {
  readonly number: number;
  readonly pid: number;
  readonly at: number;
}

export function readTicks(text: string): readonly Tick[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [number = Number.NaN, pid = Number.NaN, at = Number.NaN] = line.split(' ').map(Number);
      return { number, pid, at };
    });
}

/** Describes a gap in the ticks; '' when they are complete, by one process, and without a pause. */
export function findGap(ticks: readonly Tick[], maxPauseMs: number): string {
  if (ticks.length === 0) return 'no ticks';
  for (const [index, tick] of ticks.entries()) {
    if (tick.number !== index + 1) return `line ${index + 1} is tick ${tick.number}`;
    const before = ticks[index - 1];
    if (before === undefined) continue;
    if (tick.pid !== before.pid) return `tick ${tick.number} came from another process`;
    if (tick.at - before.at > maxPauseMs) {
      return `${tick.at - before.at} ms between ticks ${before.number} and ${tick.number}`;
    }
  }
  return '';
}

/** The first file of this name in the directory tree. */
export async function findFile(directory: string, name: string): Promise<string | null> {
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true }).catch(() => [])) {
    if (entry.isFile() && entry.name === name) return path.join(entry.parentPath ?? entry.path, name);
  }
  return null;
}

async function listNames(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

async function pids(): Promise<readonly number[]> {
  const names = await readdir('/proc');
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

async function commandLine(pid: number): Promise<string> {
  return (await readProc(pid, 'cmdline')).split('\0').join(' ').trim();
}

async function startTicks(pid: number): Promise<string> {
  const stat = await readProc(pid, 'stat');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** '' for a process that has exited or that belongs to another user. */
async function readProc(pid: number, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
}
