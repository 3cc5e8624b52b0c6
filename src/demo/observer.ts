/**
 * What the outside saw, found without asking sos-ci: processes by their marks in /proc, directories by looking, the
 * ticks that a test wrote. The demo is judged by these, never by our own log.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** A process of a stage or server, known by the marks in its environment. */
export interface MarkedProcess {
  readonly pid: number;
  /** When the kernel started it: with the pid, no two processes have the same. */
  readonly startTicks: string;
  readonly command: string;
  /** Its run directory; '' for a process of a server outside of a run. */
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

/** The process of the stage's own command, and no helper of ours around it. */
export async function stageProcess(directory: string, command: string): Promise<MarkedProcess | null> {
  const result = await markedProcesses(directory);
  return result.find((one) => one.run !== '' && one.command.endsWith(command)) ?? null;
}

/** Daemons that were started with this configuration, by whomever. */
export async function findDaemons(config: string): Promise<readonly number[]> {
  const result: number[] = [];
  for (const pid of await pids()) {
    const args = (await readProc(pid, 'cmdline')).split('\0');
    if (args.includes('daemon') && args.includes(config)) result.push(pid);
  }
  return result;
}

/** Directories of servers that are there. */
export async function remainingServers(stateDir: string): Promise<readonly string[]> {
  return listNames(path.join(stateDir, 'servers'));
}

/** What was gathered of jobs and is still waiting to be published. */
export async function stagedEvidence(stateDir: string): Promise<readonly string[]> {
  return listNames(path.join(stateDir, 'evidence'));
}

/** One line of the ticker: the how manieth, by which process, when (ms since its first). */
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

/** What is wrong with a row of ticks: '' when it is whole, by one process, without a pause. */
export function findGap(ticks: readonly Tick[], maxPauseMs: number): string {
  if (ticks.length === 0) return 'no ticks at all';
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

/** The first file of this name anywhere below. */
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

/** A process that is gone, or another user's, has nothing to say. */
async function readProc(pid: number, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
}
