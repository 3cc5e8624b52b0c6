/**
 * The cgroups in which runners put their commands, where the host allows it. Only a real cgroup that has the server's own name
 * is taken for one: the file that names it lies where a test can write.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { access, constants, readFile, realpath, rmdir, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Server } from '../../machines/model/domain.ts';
import { sleep } from '../../timer.ts';
import { errorCode } from '../run/fs-error.ts';

const CGROUP2_MAGIC = 0x63677270;
const PATH_LIMIT_BYTES = 4096;
/** A second, for the kernel to take leave of the last process. */
const [REMOVE_TRIES, REMOVE_PAUSE_MS] = [20, 50];

/** Those of these run directories of one server. */
export async function groupsOf(
  server: Pick<Server, 'id'>,
  directories: readonly string[],
): Promise<readonly string[]> {
  const groups: string[] = [];
  for (const directory of directories) {
    const group = await groupIn(directory, `sos-ci-${server.id}-${basename(directory)}`);
    if (group !== null) groups.push(group);
  }
  return groups;
}

/** Process ids, those of groups within it included. */
export function membersOf(group: string): readonly number[] {
  try {
    const own = readFileSync(join(group, 'cgroup.procs'), 'latin1').split('\n');
    return [...own.filter((line) => line !== '').map(Number), ...groupsIn(group).flatMap(membersOf)];
  } catch {
    // It went meanwhile: with its last process.
    return [];
  }
}

/** SIGKILL to all of it at once. Kernels before 5.14 cannot: there each member is killed. */
export function killGroup(group: string): void {
  try {
    writeFileSync(join(group, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch {
    // There is no such file, or the group is gone.
  }
}

/** Only an empty one goes; what was killed a moment ago may still be in it. */
export async function removeGroup(group: string): Promise<void> {
  for (const inner of groupsIn(group)) await removeGroup(inner);
  for (let tries = 0; tries < REMOVE_TRIES && (await isBusy(group)); tries += 1) await sleep(REMOVE_PAUSE_MS);
}

/** Whether this process may put a command into a cgroup: the same question that the runner asks. */
export async function mayGroup(): Promise<boolean> {
  const mounts = (await read('/proc/self/mounts')).split('\n').map((line) => line.split(' '));
  const point = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  const [, path] = /^0::(.*)$/m.exec(await read('/proc/self/cgroup')) ?? [];
  if (point === undefined || path === undefined) return false;
  return access(join(point, path, 'cgroup.procs'), constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** False: it is gone. */
async function isBusy(group: string): Promise<boolean> {
  return rmdir(group).then(
    () => false,
    (error: unknown) => errorCode(error) === 'EBUSY',
  );
}

async function groupIn(directory: string, name: string): Promise<string | null> {
  try {
    const text = await readFile(join(directory, 'group'), 'utf8');
    if (text.length > PATH_LIMIT_BYTES) return null;
    const path = await realpath(text.trimEnd());
    const { type } = await statfs(path);
    return basename(path) === name && type === CGROUP2_MAGIC ? path : null;
  } catch {
    // None was made, or it is gone.
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
