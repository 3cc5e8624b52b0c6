/**
 * An open directory and its entries. Tests are untrusted code and may replace a directory with a link during
 * collection, so their paths are never resolved as a whole: each step opens one name relative to an open directory
 * (through /proc/self/fd) and follows no link. An open handle keeps referring to the same file.
 */
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, readdir } from 'node:fs/promises';

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Without O_NONBLOCK, opening a pipe that has no writer would never return. */
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class Directory {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /**
   * Opens one of our own directories by its path. Its last segment must not be a link; the segments before it are under
   * the operator's control.
   */
  static async at(path: string): Promise<Directory> {
    return new Directory(await open(path, DIRECTORY_FLAGS));
  }

  /** Runs `use` with this directory and always closes it afterwards. */
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

  /** A path to `name` in this directory, even if the directory is moved. Valid while the directory is open. */
  path(name: string): string {
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  /** The same for a name in bytes, which need not be UTF-8. */
  rawPath(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(this.path('')), name]);
  }

  /** Opens a subdirectory. A link to a directory is refused (ENOTDIR or ELOOP). */
  async enter(name: string | Buffer): Promise<Directory> {
    return new Directory(
      await open(typeof name === 'string' ? this.path(name) : this.rawPath(name), DIRECTORY_FLAGS),
    );
  }

  /** Opens a file in this directory for reading. It may be a device or a pipe: check its stat before reading. */
  openFile(name: string): Promise<FileHandle> {
    return open(this.path(name), FILE_FLAGS);
  }

  /** Opens the subdirectory `name`, and creates it first when it is missing. */
  async enterOrMake(name: string, mode: number): Promise<Directory> {
    const created = await mkdir(this.path(name), { mode }).then(
      () => true,
      (error: unknown) => {
        if (errorCode(error) === 'EEXIST') return false;
        throw error;
      },
    );
    const child = await this.enter(name);
    // The umask reduces the mode of mkdir.
    if (created) await child.setMode(mode).then(() => this.sync());
    return child;
  }

  /** The entries, sorted by name; at most `limit` are read. */
  async entries(limit: number): Promise<{ readonly entries: readonly Dirent[]; readonly more: boolean }> {
    const entries: Dirent[] = [];
    for await (const entry of await opendir(this.path('.'))) {
      if (entries.length >= limit) return { entries: entries.sort(byName), more: true };
      entries.push(entry);
    }
    return { entries: entries.sort(byName), more: false };
  }

  /** The entries with names as bytes, so that names that are not UTF-8 can be removed too. */
  rawEntries(): Promise<Dirent<Buffer>[]> {
    return readdir(this.path('.'), { withFileTypes: true, encoding: 'buffer' });
  }

  /** Changes the mode of this directory. */
  setMode(mode: number): Promise<void> {
    return this.#handle.chmod(mode);
  }

  /** Syncs this directory, so that its names survive power loss. */
  sync(): Promise<void> {
    return this.#handle.sync();
  }
}

/** The errno name of a thrown error; '' for anything else. */
export function errorCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
}

/** Resolves to null instead of rejecting with ENOENT. */
export async function ifExists<T>(promise: Promise<T>): Promise<T | null> {
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
