/**
 * Creates a work tree from the cache, with history and tags. Objects are copied, never shared: a job's code may run as
 * the owner of the cache, and changes to its copy must not affect other jobs. Where the file system supports it, copies
 * are copy-on-write.
 */
import { constants, type Dirent } from 'node:fs';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BareRepository, GitContext } from './bare-repository.ts';
import { git } from './command.ts';

/** Concurrent copies. */
const COPIES = 8;
const PACK_FILE = /^pack-[0-9a-f]{40}\.(?:pack|idx|rev)$/;
const LOOSE_DIRECTORY = /^[0-9a-f]{2}$/;
const LOOSE_FILE = /^[0-9a-f]{38}$/;

/** @param environment for every git command in the tree */
export async function makeWorkTree(
  repository: BareRepository,
  context: GitContext,
  directory: string,
  revision: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const own = join(directory, '.git');
  await mkdir(own, { recursive: true, mode: 0o700 });
  const command = {
    ...context,
    cwd: directory,
    protocol: null,
    hint: 'check that the state directory has free space',
    environment: { ...environment, GIT_DIR: own, GIT_WORK_TREE: directory },
  };
  // Runs first, because git reports here when the repository is lost.
  const tags = await repository.tags(context);
  await Promise.all([
    copyObjects(repository.objects, join(own, 'objects'), context.signal),
    git({ ...command, argv: ['init', '--quiet', '--template=', '--initial-branch=none'] }),
  ]);
  if (tags !== '') await writeFile(join(own, 'packed-refs'), `${tags}\n`);
  const options = ['--quiet', '--force', '--detach', '--no-recurse-submodules'];
  await git({ ...command, argv: ['checkout', ...options, revision, '--'] });
}

/** Copies packs and loose objects, skipping git's temporary files. */
async function copyObjects(from: string, to: string, signal: AbortSignal): Promise<void> {
  const wanted: (readonly [directory: string, name: string])[] = [];
  const add = async (directory: string, pattern: RegExp): Promise<void> => {
    const files = await readdir(join(from, directory), { withFileTypes: true });
    const found = files.filter((file) => file.isFile() && pattern.test(file.name));
    if (found.length > 0) await mkdir(join(to, directory), { recursive: true });
    wanted.push(...found.map(({ name }) => [directory, name] as const));
  };
  const directories = (await readdir(from, { withFileTypes: true })).filter(isLoose);
  await Promise.all([add('pack', PACK_FILE), ...directories.map(({ name }) => add(name, LOOSE_FILE))]);
  let next = 0;
  const copySome = async (): Promise<void> => {
    for (let file = wanted[next++]; file !== undefined; file = wanted[next++]) {
      signal.throwIfAborted();
      await copyFile(join(from, ...file), join(to, ...file), constants.COPYFILE_FICLONE);
    }
  };
  await Promise.all(Array.from({ length: COPIES }, copySome));
}

function isLoose(entry: Dirent): boolean {
  return entry.isDirectory() && LOOSE_DIRECTORY.test(entry.name);
}
