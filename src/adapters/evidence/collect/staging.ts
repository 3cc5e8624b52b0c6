/**
 * The staging directory for a job's evidence: takes regular files up to the job's limits and keeps the list of copied
 * and skipped files, with reasons. Guarantees: a file is opened without following a link, checked again once it is
 * open, and copied only up to its length at that time and to the byte limits, so that neither a file that grows forever
 * nor a sparse file of a terabyte fills our disk.
 */
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path/posix';
import { type Directory, errorCode } from '../files/dir-handle.ts';
import { type BeforeStep, readChunks, writeAll, writeNew } from '../files/new-file.ts';
import type { StoredNames } from '../files/safe-names.ts';
import type { Collected, CollectedFile, CollectedTest, SkippedFile, StageEntry } from './collected.ts';

export interface StagingLimits {
  readonly bytes: number;
  readonly files: number;
  /** The byte limit for one file; only the beginning of a longer file is copied. */
  readonly maxFileBytes: number;
  /** The maximum number of skipped files that are listed by name. */
  readonly maxIndexEntries: number;
}

export interface StagingOptions {
  readonly files: Directory;
  readonly limits: StagingLimits;
  readonly names: StoredNames;
  /** Removes secrets from a text. */
  readonly clean: (text: string) => string;
  readonly signal: AbortSignal;
  readonly beforeStep: BeforeStep;
}

/** A source file cannot be read. The collection continues without it. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

export class Staging {
  readonly options: StagingOptions;
  readonly stages: StageEntry[] = [];
  failedTests: readonly CollectedTest[] = [];
  readonly #files = new Map<string, CollectedFile>();
  readonly #skipped: SkippedFile[] = [];
  readonly #directories = new Set<string>(['.']);
  #skippedCount = 0;
  #bytes = 0;

  constructor(options: StagingOptions) {
    this.options = options;
  }

  /** True when no more files can be added. */
  get full(): boolean {
    return this.#files.size >= this.options.limits.files;
  }

  skip(path: string, why: string): void {
    this.#skippedCount += 1;
    if (this.#skipped.length < this.options.limits.maxIndexEntries) {
      this.#skipped.push({ path: this.options.clean(path.slice(0, 1000)), why });
    }
  }

  /**
   * Copies the file `name` of `source` to `path`, or lists why not. A repeated call does nothing. With `always`, the
   * beginning is copied when not all of the file fits. Resolves to whether the file was copied.
   */
  async take(
    source: Directory,
    name: string,
    file: { readonly shown: string; readonly path: string; readonly always: boolean },
  ): Promise<boolean> {
    const { limits, signal } = this.options;
    signal.throwIfAborted();
    if (this.#files.has(file.path)) return true;
    try {
      if (this.full) throw new Unreadable(`over the limit of ${limits.files} files`);
      const before = await asUnreadable(lstat(source.path(name)));
      if (!before.isFile()) throw new Unreadable(kindOf(before));
      const left = limits.bytes - this.#bytes;
      if (left <= 0 || (!file.always && Math.min(before.size, limits.maxFileBytes) > left)) {
        throw new Unreadable(`over the limit of ${limits.bytes} bytes for one job`);
      }
      const from = await asUnreadable(source.openFile(name));
      try {
        await this.#copy(from, file.path, file.shown, Math.min(limits.maxFileBytes, left));
      } finally {
        await from.close();
      }
      return true;
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.skip(file.shown, error.message);
      return false;
    }
  }

  /** Adds a generated file, or as much of it as fits. */
  async write(path: string, pieces: Iterable<string>): Promise<void> {
    const { limits, files, beforeStep } = this.options;
    if (this.full) return this.skip(path, `over the limit of ${limits.files} files`);
    const limit = Math.max(0, Math.min(limits.maxFileBytes, limits.bytes - this.#bytes));
    let [bytes, size] = [0, 0];
    beforeStep(`write ${path}`);
    await writeNew(files.path(path), 0o600, async (to) => {
      for (const piece of pieces) {
        const all = Buffer.from(piece, 'utf8');
        const part = all.subarray(0, limit - bytes);
        await writeAll(to, part);
        bytes += part.length;
        size += all.length;
      }
    });
    this.#bytes += bytes;
    this.#files.set(path, { path, bytes, ...(size > bytes ? { cutFrom: size } : {}) });
  }

  /** Opens a copied file; null if it was not copied. */
  async open(path: string): Promise<FileHandle | null> {
    return this.#files.has(path) ? this.options.files.openFile(path) : null;
  }

  /** Syncs the directories, so that all file names are on disk. */
  async sync(): Promise<void> {
    for (const path of this.#directories) {
      await (await this.options.files.enter(path)).using((directory) => directory.sync());
    }
  }

  /** The list in its stored form. */
  list(job: string, attempt: number, collectedAt: string): Collected {
    return {
      version: 1,
      job,
      attempt,
      collectedAt,
      limitBytes: this.options.limits.bytes,
      stages: this.stages,
      failedTests: this.failedTests,
      files: [...this.#files.values()],
      skippedFiles: this.#skipped,
      skipped: this.#skippedCount,
    };
  }

  async #copy(from: FileHandle, path: string, shown: string, limit: number): Promise<void> {
    const stat = await asUnreadable(from.stat());
    if (!stat.isFile()) throw new Unreadable(kindOf(stat));
    await this.#makeDirectory(dirname(path));
    this.options.beforeStep(`copy ${path}`);
    const target = this.options.files.path(path);
    let bytes = 0;
    try {
      await writeNew(target, 0o600, async (to) => {
        const chunks = readChunks(from, Math.min(stat.size, limit), this.options.signal);
        for (
          let next = await asUnreadable(chunks.next());
          !next.done;
          next = await asUnreadable(chunks.next())
        ) {
          await writeAll(to, next.value);
          bytes += next.value.length;
        }
      });
    } catch (error) {
      if (error instanceof Unreadable) await unlink(target);
      throw error;
    }
    this.#bytes += bytes;
    const size = (await asUnreadable(from.stat())).size;
    this.#files.set(path, {
      path,
      bytes,
      ...(basename(shown) === basename(path) ? {} : { original: this.options.clean(basename(shown)) }),
      ...(size > bytes ? { cutFrom: size } : {}),
      ...modified(stat),
    });
  }

  async #makeDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.#makeDirectory(dirname(path));
    await mkdir(this.options.files.path(path), { mode: 0o700 });
    this.#directories.add(path);
  }
}

/** Omitted if before 1970 or after 9999: the tested code may have set any time. */
function modified({ mtimeMs }: Stats): Pick<CollectedFile, 'modifiedAt'> {
  const time = new Date(mtimeMs);
  return time.getUTCFullYear() <= 9999 && mtimeMs >= 0 ? { modifiedAt: time.toISOString() } : {};
}

/**
 * Maps errors of the source file to `Unreadable`; all others (out of memory, out of file handles) end the collection.
 */
export async function asUnreadable<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    const why = REASONS[errorCode(error)];
    throw why === undefined ? error : new Unreadable(why);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'not there',
  ENOTDIR: 'a link, or not a directory',
  EACCES: 'not readable',
  EPERM: 'not readable',
  ELOOP: 'a symbolic link',
  ENXIO: 'a socket or a pipe',
  ENODEV: 'a device',
  EIO: 'could not be read from the disk',
  ESTALE: 'could not be read from the disk',
  ENAMETOOLONG: 'its path is too long',
};

function kindOf(stat: Stats): string {
  if (stat.isSymbolicLink()) return 'a symbolic link';
  if (stat.isFIFO()) return 'a pipe';
  if (stat.isSocket()) return 'a socket';
  if (stat.isDirectory()) return 'a directory';
  return 'a device';
}
