/** Probes this host: free disk space, directories, programs. Changes nothing. */
import { access, constants, stat, statfs } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';

export interface ProbedDirectory {
  /** The requested path, or its deepest existing ancestor. */
  readonly nearest: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
  readonly writable: boolean;
  /** Permission bits. */
  readonly mode: number;
  readonly freeBytes: number;
}

export async function probeDirectory(path: string): Promise<ProbedDirectory> {
  let nearest = path;
  for (;;) {
    try {
      const { mode } = await stat(nearest);
      const { bavail, bsize } = await statfs(nearest);
      return {
        nearest,
        exists: nearest === path,
        isDirectory: (mode & constants.S_IFMT) === constants.S_IFDIR,
        writable: await canAccess(nearest, constants.W_OK | constants.X_OK),
        mode: mode & 0o777,
        freeBytes: bavail * bsize,
      };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' || nearest === dirname(nearest)) throw error;
      nearest = dirname(nearest);
    }
  }
}

/** The given programs that cannot be run; names are looked up in PATH. */
export async function missingPrograms(programs: readonly string[]): Promise<readonly string[]> {
  const directories = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  const missing: string[] = [];
  for (const program of programs) {
    const paths = program.includes('/')
      ? [program]
      : directories.map((directory) => join(directory, program));
    const found = await Promise.all(paths.map((path) => canAccess(path, constants.X_OK)));
    if (!found.includes(true)) missing.push(program);
  }
  return missing;
}

async function canAccess(path: string, how: number): Promise<boolean> {
  return access(path, how).then(
    () => true,
    () => false,
  );
}
