/**
 * Finds and ends processes by what they carry: a marker in their environment, the lock of a run, or the cgroup of one. A
 * process that left its process group, its session or its parent is found all the same. Reads /proc, so it is for Linux only. Processes of
 * other users cannot be read and are never touched.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { OperationError } from '../../errors.ts';
import { sleep } from '../../timer.ts';
import { killGroup, membersOf, removeGroup } from './cgroup.ts';

export interface Membership {
  /** `NAME=value`, whole. */
  readonly marker: string;
  /** Lock files: who has one of them as fd 9 belongs to it, also with an empty environment. */
  readonly locks: readonly string[];
  /** Cgroups: who is in one of them belongs to it, whatever it did to hide. */
  readonly groups?: readonly string[];
  /** Processes to leave alone although they fit. */
  readonly except?: readonly number[];
}

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Kernel start time in ticks: with the pid it names one process forever. */
  readonly startTicks: string;
}

export interface EndLimits {
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** For all of it. */
  readonly limitMs: number;
  /** Ends the effort: what is left then is returned. */
  readonly signal: AbortSignal;
}

/** The first look again comes soon, because most processes heed a SIGTERM at once; the others come later. */
const LOOK_AGAIN_MIN_MS = 5;
const LOOK_AGAIN_MAX_MS = 50;
/** Processes that are read between two turns of the event loop. */
const BATCH = 64;

/** Everything that fits, and what descends from it. */
export async function findProcesses(membership: Membership): Promise<readonly Process[]> {
  assertLinux();
  const locks = membership.locks.flatMap((lock) => identity(lock) ?? []);
  const all: Process[] = [];
  const found = new Set<number>((membership.groups ?? []).flatMap(membersOf));
  for (const [index, pid] of pids().entries()) {
    if (index % BATCH === BATCH - 1) await setImmediate();
    const one = readProcess(pid);
    if (one === null) continue;
    all.push(one);
    if (hasMarker(pid, membership.marker) || holdsLock(pid, locks)) found.add(pid);
  }
  const spared = [process.pid, 1, ...(membership.except ?? [])];
  for (const pid of spared) found.delete(pid);
  addDescendants(all, found);
  return all.filter(({ pid }) => found.has(pid) && !spared.includes(pid));
}

/** SIGTERM, then SIGKILL, until nothing fits any more. Returns what is left at the limit. */
export async function endProcesses(membership: Membership, limits: EndLimits): Promise<readonly Process[]> {
  const { groups = [] } = membership;
  const started = performance.now();
  const told = new Set<string>();
  let empty = 0;
  let pauseMs = LOOK_AGAIN_MIN_MS;
  for (;;) {
    const found = (await findProcesses(membership)).filter(canSignal);
    // Twice: a process that was being born while we looked shows at the second look.
    empty = found.length === 0 ? empty + 1 : 0;
    const elapsed = performance.now() - started;
    if (empty > 1 || (empty === 1 && told.size === 0)) break;
    if (elapsed > limits.limitMs || limits.signal.aborted) return found;
    if (elapsed >= limits.graceMs) for (const group of groups) killGroup(group);
    for (const process of found) {
      const key = `${process.pid}/${process.startTicks}`;
      if (elapsed >= limits.graceMs) signalProcess(process, 'SIGKILL');
      else if (!told.has(key)) signalProcess(process, 'SIGTERM');
      told.add(key);
    }
    await sleep(pauseMs, limits.signal);
    pauseMs = Math.min(pauseMs * 2, LOOK_AGAIN_MAX_MS);
  }
  for (const group of groups) await removeGroup(group);
  return [];
}

/** The process, when it lives and one of its arguments is `argument`: proof that a pid in a file is still that process. */
export function processWithArgument(pid: number, argument: string): Process | null {
  assertLinux();
  const found = readProcess(pid);
  const line = readProc(pid, 'cmdline');
  return line?.split('\0').includes(argument) ? found : null;
}

/** Null: no such process, or it has ended and nobody took note. */
export function processStartTicks(pid: number): string | null {
  assertLinux();
  return readProcess(pid)?.startTicks ?? null;
}

/** False: it has gone already. */
export function signalProcess(target: Process, signal: NodeJS.Signals): boolean {
  const now = readProcess(target.pid);
  if (now?.startTicks !== target.startTicks) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch {
    return false;
  }
}

function assertLinux(): void {
  if (existsSync('/proc/self/environ')) return;
  throw new OperationError({
    operation: 'look at processes',
    target: '/proc',
    message: `there is no /proc as on Linux here (${process.platform})`,
    retryable: false,
    hint: 'run the daemon on Linux, with /proc mounted',
  });
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readProcess(pid: number): Process | null {
  const stat = readProc(pid, 'stat');
  if (stat === null) return null;
  // The second field is the program's name in brackets, and can hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, parent, startTicks] = [fields[0], fields[1], fields[19]];
  if (state === 'Z' || state === 'X' || parent === undefined || startTicks === undefined) return null;
  return { pid, parent: Number(parent), startTicks };
}

function hasMarker(pid: number, marker: string): boolean {
  return readProc(pid, 'environ')?.split('\0').includes(marker) ?? false;
}

function holdsLock(pid: number, locks: readonly string[]): boolean {
  if (locks.length === 0) return false;
  const held = identity(`/proc/${pid}/fd/9`);
  return held !== null && locks.includes(held);
}

/** Null: it ended, or it is another user's. */
function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return null;
  }
}

function identity(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

function addDescendants(all: readonly Process[], found: Set<number>): void {
  let before: number;
  do {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  } while (found.size > before);
}

/** What another user started from inside (by sudo, say) is not ours to end. */
function canSignal(target: Process): boolean {
  try {
    process.kill(target.pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EPERM');
  }
}
