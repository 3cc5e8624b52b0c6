/**
 * Finds and ends processes by a marker in their environment, the lock of a run, or the cgroup of a run. Also finds
 * processes that left their process group, session or parent. Reads /proc, so it works on Linux only. Processes that
 * the daemon's user may not signal are left alone.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { OperationError } from '../../errors.ts';
import { sleep } from '../../timer.ts';
import { killGroup, membersOf, removeGroup } from './cgroup.ts';

export interface Membership {
  /** The complete `NAME=value`. */
  readonly marker: string;
  /** Lock files: a process that has one of them as fd 9 is a member, even with an empty environment. */
  readonly locks: readonly string[];
  /** Cgroups: every process in one of them is a member. */
  readonly groups?: readonly string[];
  /** Matching processes that must not be signalled. */
  readonly except?: readonly number[];
}

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Kernel start time in ticks; together with the pid it identifies a process uniquely. */
  readonly startTicks: string;
}

export interface EndLimits {
  /** The time between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** The total time. */
  readonly limitMs: number;
  /** Stops the call, which then returns the remaining processes. */
  readonly signal: AbortSignal;
}

/** The delay between checks. It starts short, because most processes exit on SIGTERM at once, and doubles each time. */
const RECHECK_MIN_MS = 5;
const RECHECK_MAX_MS = 50;
/** The number of processes read per turn of the event loop. */
const BATCH = 64;

/** All matching processes and their descendants. */
export async function findProcesses(membership: Membership): Promise<readonly Process[]> {
  assertLinux();
  const locks = membership.locks.flatMap((lock) => identity(lock) ?? []);
  const all: Process[] = [];
  const found = new Set<number>((membership.groups ?? []).flatMap(membersOf));
  for (const [index, pid] of pids().entries()) {
    if (index % BATCH === BATCH - 1) await setImmediate();
    const entry = readProcess(pid);
    if (entry === null) continue;
    all.push(entry);
    if (hasMarker(pid, membership.marker) || holdsLock(pid, locks)) found.add(pid);
  }
  const excluded = [process.pid, 1, ...(membership.except ?? [])];
  for (const pid of excluded) found.delete(pid);
  addDescendants(all, found);
  return all.filter(({ pid }) => found.has(pid) && !excluded.includes(pid));
}

/** Sends SIGTERM, then SIGKILL, until no process matches. Returns the remaining processes at the limit. */
export async function endProcesses(membership: Membership, limits: EndLimits): Promise<readonly Process[]> {
  const { groups = [] } = membership;
  const started = performance.now();
  const signalled = new Set<string>();
  let empty = 0;
  let pauseMs = RECHECK_MIN_MS;
  for (;;) {
    const found = (await findProcesses(membership)).filter(canSignal);
    // After a signal, two empty checks are required: a process forked during the first appears in the second.
    empty = found.length === 0 ? empty + 1 : 0;
    const elapsed = performance.now() - started;
    if (empty > 1 || (empty === 1 && signalled.size === 0)) break;
    if (elapsed > limits.limitMs || limits.signal.aborted) return found;
    if (elapsed >= limits.graceMs) for (const group of groups) killGroup(group);
    for (const process of found) {
      const key = `${process.pid}/${process.startTicks}`;
      if (elapsed >= limits.graceMs) signalProcess(process, 'SIGKILL');
      else if (!signalled.has(key)) signalProcess(process, 'SIGTERM');
      signalled.add(key);
    }
    await sleep(pauseMs, limits.signal);
    pauseMs = Math.min(pauseMs * 2, RECHECK_MAX_MS);
  }
  for (const group of groups) await removeGroup(group);
  return [];
}

/**
 * The process, when it is alive and one of its arguments is `argument`, which proves that a pid in a file still belongs
 * to it.
 */
export function processWithArgument(pid: number, argument: string): Process | null {
  assertLinux();
  const found = readProcess(pid);
  const line = readProc(pid, 'cmdline');
  return line?.split('\0').includes(argument) ? found : null;
}

/** Null: no such process, or a zombie. */
export function processStartTicks(pid: number): string | null {
  assertLinux();
  return readProcess(pid)?.startTicks ?? null;
}

/** False: the process has already ended. */
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
    operation: 'list processes',
    target: '/proc',
    message: `this system has no Linux /proc (${process.platform})`,
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
  // The second field is the program's name in parentheses, which may contain any character.
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

/** Null: the process ended, or it belongs to another user. */
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

/** False for processes of another user (started with sudo, for example), which we may not kill. */
function canSignal(target: Process): boolean {
  try {
    process.kill(target.pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EPERM');
  }
}
