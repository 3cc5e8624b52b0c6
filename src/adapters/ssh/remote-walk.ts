/**
 * Walks named paths of a node's work tree, several files at a time. Names, sizes and types that the node reports only
 * decide the next request. Our own limits bound what is written here, and it stays below `into`.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, fileError } from '../run/fs-error.ts';
import { SFTP_STATUS, type SftpStats } from './client/client.ts';
import type { SkippedPath, TreeLimits } from './evidence.ts';
import { FileRequestRefused, FileRequestTimeout, type NodeFiles } from './files.ts';

export interface WalkOptions {
  readonly files: NodeFiles;
  /** The path of the work tree on the node. */
  readonly root: string;
  /** The path of the copy on this host. */
  readonly into: string;
  readonly limits: TreeLimits;
  /** Paths to skip because the node hung on them. */
  readonly hung: Set<string>;
}

/** Over a slow link each file costs a few round trips. */
const CONCURRENT_FILES = 8;
/** The greatest length that a file on this host can be given. */
const MAX_FILE_BYTES = 2 ** 42;

export class RemoteWalk {
  readonly #options: WalkOptions;
  readonly #skipped = new Map<string, string>();
  readonly #seen = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  #entriesLeft: number;
  #bytesLeft: number;
  #filesLeft: number;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#entriesLeft = options.limits.maxEntries;
    this.#bytesLeft = options.limits.bytes;
    this.#filesLeft = options.limits.files;
  }

  /** Copies one path. A missing path is not reported here: the later inspection of the copy reports it. */
  async path(path: string): Promise<void> {
    const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
    if (path.startsWith('/') || segments.includes('..')) return;
    await this.#listing(path, async () => {
      let at = '';
      let depth = 0;
      for (const segment of segments) {
        const stats = await this.#options.files.lstat(this.#remotePath(at));
        if (!stats.isDirectory()) return this.#skip(path, kindOf(stats));
        at = at === '' ? segment : `${at}/${segment}`;
        depth += 1;
      }
      await this.#any(at, await this.#options.files.lstat(this.#remotePath(at)), depth);
    });
  }

  /** Waits for the current files. */
  async finish(): Promise<readonly SkippedPath[]> {
    await Promise.all(this.#running);
    if (this.#failure !== null) throw this.#failure.error;
    return [...this.#skipped].map(([path, why]) => ({ path, why }));
  }

  async #any(path: string, stats: SftpStats, depth: number): Promise<void> {
    if (stats.isDirectory()) await this.#directory(path, depth);
    else if (stats.isFile()) await this.#begin(path);
    else this.#skip(path, kindOf(stats));
  }

  async #directory(path: string, depth: number): Promise<void> {
    const { files, limits } = this.#options;
    if (depth > limits.maxDepth) return this.#skip(path, `deeper than ${limits.maxDepth} directories`);
    const handle = await files.openDirectory(this.#remotePath(path));
    for (;;) {
      const entries = await files.readDirectory(handle);
      if (entries === null) break;
      for (const { filename, attrs } of entries) {
        if (this.#entriesLeft === 0) {
          return this.#skip(path, `over the limit of ${limits.maxEntries} directory entries`);
        }
        this.#entriesLeft -= 1;
        await this.#entry(path, filename, attrs, depth);
      }
    }
    await files.close(handle);
  }

  async #entry(parent: string, name: string, stats: SftpStats, depth: number): Promise<void> {
    if (name === '.' || name === '..') return;
    const path = parent === '' ? name : `${parent}/${name}`;
    if (name === '' || /[/\0]/.test(name)) return this.#skip(path, 'the node reports an invalid name for it');
    if (name.includes('\ufffd')) return this.#skip(path, 'its name is not UTF-8');
    await this.#listing(path, () => this.#any(path, stats, depth + 1));
  }

  /** Lists an unreadable path as skipped and continues the walk. */
  async #listing(path: string, visit: () => Promise<void>): Promise<void> {
    try {
      await visit();
    } catch (error) {
      if (!(error instanceof FileRequestRefused)) throw error;
      if (error.code !== SFTP_STATUS.NO_SUCH_FILE) this.#skip(path, refusal(error));
    }
  }

  /** Starts one file, as soon as fewer than `CONCURRENT_FILES` files are in progress. */
  async #begin(path: string): Promise<void> {
    if (this.#seen.has(path)) return;
    this.#seen.add(path);
    if (this.#options.hung.has(path)) return this.#skip(path, 'the node did not answer while it was read');
    const { files } = this.#options.limits;
    if (this.#filesLeft === 0) return this.#skip(path, `over the limit of ${files} files`);
    this.#filesLeft -= 1;
    if (this.#running.size >= CONCURRENT_FILES) await Promise.race(this.#running);
    if (this.#failure !== null) throw this.#failure.error;
    const work = this.#listing(path, () => this.#take(path))
      .catch((error: unknown) => {
        if (error instanceof FileRequestTimeout) this.#options.hung.add(path);
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async #take(path: string): Promise<void> {
    const { files, limits, into } = this.#options;
    const handle = await files.open(this.#remotePath(path));
    try {
      const stats = await files.fstat(handle);
      if (!stats.isFile()) return this.#skip(path, kindOf(stats));
      const wanted = Math.min(stats.size, limits.maxFileBytes);
      if (!(wanted <= this.#bytesLeft)) {
        return this.#skip(path, `over the limit of ${limits.bytes} bytes for one job`);
      }
      this.#bytesLeft -= wanted;
      await copy(files.read(handle, wanted), join(into, path), stats.size > wanted ? stats.size : null);
    } catch (error) {
      if (errorCode(error) !== 'ENAMETOOLONG') throw fileError('collect evidence', path, error);
      this.#skip(path, 'its path is too long');
    } finally {
      await files.close(handle).catch(() => {});
    }
  }

  #remotePath(path: string): string {
    return path === '' ? this.#options.root : `${this.#options.root}/${path}`;
  }

  #skip(path: string, why: string): void {
    if (this.#skipped.size <= this.#options.limits.maxEntries) this.#skipped.set(path, why);
  }
}

/**
 * `fullLength`: the length on the node when only the beginning is copied. The copy is extended to that length as a
 * sparse file.
 */
async function copy(chunks: AsyncIterable<Buffer>, to: string, fullLength: number | null): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const handle = await open(to, 'w', 0o600);
  try {
    for await (const chunk of chunks) await handle.appendFile(chunk);
    if (fullLength !== null) await handle.truncate(Math.min(fullLength, MAX_FILE_BYTES));
  } finally {
    await handle.close();
  }
}

function kindOf(stats: SftpStats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFile()) return 'a link, or not a directory';
  return 'a device';
}

function refusal(error: FileRequestRefused): string {
  return error.code === SFTP_STATUS.PERMISSION_DENIED ? 'not readable' : 'the node cannot read it';
}
