/**
 * A directory held open, and what stands in it. Tests are strangers' code and may swap a directory for a link while
 * we look, so nothing here resolves a path of more than one name: each step opens one name relative to a directory
 * that is held open (through /proc/self/fd), and follows no link. What was opened stays what it was.
 */
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, readdir } from 'node:fs/promises';

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Without O_NONBLOCK the open of a pipe that nobody writes to would never return. */
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class Directory {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Opens a directory of ours by its path. Its last name must not be a link; what is before it is the operator's. */
  static async at(path: string): Promise<Directory> {
    return new Directory(await open(path, DIRECTORY_FLAGS));
  }

  /** Runs `use` with this directory and closes it afterwards, whatever happens. */
  async using<T>(use: (directory: Directory) => Promise<T>): Promise<T> {
    try {
      return await use(this);
    } finally {
      await this.close();
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** A path that means `name` in this very directory, wherever that is by now. Valid while it is open. */
  path(name: string): string {
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  /** The same for a name that is not UTF-8. */
  rawPath(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(this.path('')), name]);
  }

  /** A directory in this one. A link to a directory is refused (ENOTDIR or ELOOP). */
  async enter(name: string | Buffer): Promise<Directory> {
    return new Directory(
      await open(typeof name === 'string' ? this.path(name) : this.rawPath(name), DIRECTORY_FLAGS),
    );
  }

  /** A file in this directory, for reading. May be a device or a pipe: look at its stat before reading. */
  openFile(name: string): Promise<FileHandle> {
    return open(this.path(name), FILE_FLAGS);
  }

  /** Enters `name`, which is made first when it is missing. */
  async enterOrMake(name: string, mode: number): Promise<Directory> {
    const made = await mkdir(this.path(name), { mode }).then(
      () => true,
      (error: unknown) => {
        if (errorCode(error) === 'EEXIST') return false;
        throw error;
      },
    );
    const child = await this.enter(name);
    // The mode of mkdir is cut by the umask.
    if (made) await child.setMode(mode).then(() => this.sync());
    return child;
  }

  /** Names and kinds, sorted by name; at most `limit` are looked at. */
  async entries(limit: number): Promise<{ readonly entries: readonly Dirent[]; readonly more: boolean }> {
    const entries: Dirent[] = [];
    for await (const entry of await opendir(this.path('.'))) {
      if (entries.length >= limit) return { entries: entries.sort(byName), more: true };
      entries.push(entry);
    }
    return { entries: entries.sort(byName), more: false };
  }

  /** Names as bytes, so that names that are not UTF-8 can be removed too. */
  rawEntries(): Promise<Dirent<Buffer>[]> {
    return readdir(this.path('.'), { withFileTypes: true, encoding: 'buffer' });
  }

  /** Changes the mode of this very directory. */
  setMode(mode: number): Promise<void> {
    return this.#handle.chmod(mode);
  }

  /** Names of this directory survive power loss. */
  sync(): Promise<void> {
    return this.#handle.sync();
  }
}

/** The errno name of what was thrown; '' for anything else. */
export function errorCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
}

/** Null instead of an error that says that nothing is there. */
export async function ifThere<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function byName(a: Dirent, b: Dirent): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
