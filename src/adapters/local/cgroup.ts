/**
 * The cgroups that runners create for their commands, where the host permits it. Only a real cgroup with the server's
 * own name is accepted, because tests can write the file that names it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { access, constants, readFile, realpath, rmdir, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Server } from '../../machines/model/domain.ts';
import { sleep } from '../../timer.ts';
import { errorCode } from '../run/fs-error.ts';

const CGROUP2_MAGIC = 0x63677270;
const PATH_LIMIT_BYTES = 4096;
/** One second in total, for the kernel to remove the last process. */
const [REMOVE_TRIES, REMOVE_PAUSE_MS] = [20, 50];

/** The cgroups of these run directories of one server. */
export async function groupsOf(
  server: Pick<Server, 'id'>,
  directories: readonly string[],
): Promise<readonly string[]> {
  const groups: string[] = [];
  for (const directory of directories) {
    const group = await groupIn(directory, `sos-ci-${server.id}-${basename(directory)}-`);
    if (group !== null) groups.push(group);
  }
  return groups;
}

/** The process ids in a cgroup, including those in nested cgroups. */
export function membersOf(group: string): readonly number[] {
  try {
    const own = readFileSync(join(group, 'cgroup.procs'), 'latin1').split('\n');
    return [...own.filter((line) => line !== '').map(Number), ...groupsIn(group).flatMap(membersOf)];
  } catch {
    // The cgroup was removed meanwhile, with its last process.
    return [];
  }
}

/**
 * Sends SIGKILL to the whole cgroup at once. Kernels before 5.14 have no cgroup.kill; there the caller kills each
 * member.
 */
export function killGroup(group: string): void {
  try {
    writeFileSync(join(group, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch {
    // The file does not exist, or the cgroup is gone.
  }
}

/** Removes a cgroup. Only an empty one can be removed, and processes that were just killed may still be in it. */
export async function removeGroup(group: string): Promise<void> {
  for (const inner of groupsIn(group)) await removeGroup(inner);
  for (let tries = 0; tries < REMOVE_TRIES && (await isBusy(group)); tries += 1) await sleep(REMOVE_PAUSE_MS);
}

/** Whether this process may put a command into a cgroup, by the same check as the runner's. */
export async function canUseCgroups(): Promise<boolean> {
  const mounts = (await read('/proc/self/mounts')).split('\n').map((line) => line.split(' '));
  const mountPoint = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  const [, path] = /^0::(.*)$/m.exec(await read('/proc/self/cgroup')) ?? [];
  if (mountPoint === undefined || path === undefined) return false;
  return access(join(mountPoint, path, 'cgroup.procs'), constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** False: the cgroup is gone, or cannot be removed at all. */
async function isBusy(group: string): Promise<boolean> {
  return rmdir(group).then(
    () => false,
    (error: unknown) => errorCode(error) === 'EBUSY',
  );
}

/** @param start the name up to the runner's pid */
async function groupIn(directory: string, start: string): Promise<string | null> {
  try {
    const text = await readFile(join(directory, 'group'), 'utf8');
    if (text.length > PATH_LIMIT_BYTES) return null;
    const path = await realpath(text.trimEnd());
    const { type } = await statfs(path);
    const name = basename(path);
    const ours = name.startsWith(start) && /^\d+$/.test(name.slice(start.length));
    return ours && type === CGROUP2_MAGIC ? path : null;
  } catch {
    // No cgroup was created, or it is gone.
    return null;
  }
}

function groupsIn(group: string): readonly string[] {
  try {
    const entries = readdirSync(group, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(group, name));
  } catch {
    return [];
  }
}

function read(file: string): Promise<string> {
  return readFile(file, 'latin1').catch(() => '');
}
