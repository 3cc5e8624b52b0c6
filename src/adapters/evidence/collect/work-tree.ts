/**
 * Collects the named paths of a server's work tree. Guarantees: only regular files, no link is followed and no linked
 * directory is entered; every skipped path is listed with the reason; files, bytes, depth and directory entries are
 * bounded.
 */
import { lstat } from 'node:fs/promises';
import { Directory } from '../files/dir-handle.ts';
import { evidencePath, type StoredNames } from '../files/safe-names.ts';
import { asUnreadable, type Staging, Unreadable } from './staging.ts';

export interface WalkLimits {
  /** The maximum number of directory entries read for one job. */
  readonly maxEntries: number;
  /** The maximum nesting of directories. */
  readonly maxDepth: number;
}

/** The directory for a work tree's files in the evidence. */
export const WORKTREE = 'worktree';

/** Collects the named paths of the work tree below a server's directory. */
export async function collectTree(
  server: string,
  paths: readonly string[],
  limits: WalkLimits,
  staging: Staging,
): Promise<void> {
  let tree: Directory;
  try {
    const root = await asUnreadable(Directory.at(server));
    tree = await root.using((directory) => asUnreadable(directory.enter('tree')));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    for (const path of paths) staging.skip(`${WORKTREE}/${path}`, `the work tree is ${error.message}`);
    return;
  }
  await tree.using(async () => {
    const walk = new Walk(limits, staging);
    for (const path of paths) await walk.path(tree, path);
  });
}

/** The path under which a named path is collected; null: it cannot be. */
export function storedPath(path: string, names: StoredNames): string | null {
  const segments = evidencePath(path);
  if ('why' in segments) return null;
  let [shown, stored] = [WORKTREE, WORKTREE];
  for (const name of segments) {
    const assigned = names.assign(stored, shown, name);
    if ('why' in assigned) return null;
    [shown, stored] = [`${shown}/${name}`, assigned.path];
  }
  return stored;
}

/** One walk over the named paths of a work tree. */
class Walk {
  readonly #limits: WalkLimits;
  readonly #staging: Staging;
  #entriesLeft: number;

  constructor(limits: WalkLimits, staging: Staging) {
    this.#limits = limits;
    this.#staging = staging;
    this.#entriesLeft = limits.maxEntries;
  }

  /** Descends to a named path and collects it. */
  async path(tree: Directory, path: string): Promise<void> {
    const shown = `${WORKTREE}/${path}`;
    const segments = evidencePath(path);
    if ('why' in segments) return this.#staging.skip(shown, segments.why);
    await this.#listing(shown, () => this.#descend(tree, WORKTREE, WORKTREE, segments, 0));
  }

  async #descend(
    directory: Directory,
    shown: string,
    stored: string,
    segments: readonly string[],
    depth: number,
  ): Promise<void> {
    const name = segments[0];
    if (name === undefined) return this.#all(directory, shown, stored, depth);
    const next = `${shown}/${name}`;
    const assigned = this.#staging.options.names.assign(stored, shown, name);
    if ('why' in assigned) return this.#staging.skip(next, assigned.why);
    if (segments.length === 1 && !(await isDirectory(directory, name))) {
      await this.#staging.take(directory, name, { shown: next, path: assigned.path, always: false });
      return;
    }
    // A missing directory on the way is reported with the whole requested path.
    const requested = `${shown}/${segments.join('/')}`;
    await this.#inside(directory, name, requested, depth, (child) =>
      this.#descend(child, next, assigned.path, segments.slice(1), depth + 1),
    );
  }

  /** Collects everything below an open directory. */
  async #all(directory: Directory, shown: string, stored: string, depth: number): Promise<void> {
    const { entries, more } = await asUnreadable(directory.entries(this.#entriesLeft));
    this.#entriesLeft -= entries.length;
    for (const entry of entries) {
      const next = `${shown}/${entry.name}`;
      if (this.#staging.full) {
        const limit = `over the limit of ${this.#staging.options.limits.files} files`;
        return this.#staging.skip(next, `and everything after it: ${limit}`);
      }
      const assigned = entry.name.includes('\ufffd')
        ? { why: 'its name is not UTF-8' }
        : this.#staging.options.names.assign(stored, shown, entry.name);
      if ('why' in assigned) this.#staging.skip(next, assigned.why);
      else if (entry.isDirectory()) {
        await this.#inside(directory, entry.name, next, depth, (child) =>
          this.#all(child, next, assigned.path, depth + 1),
        );
      } else {
        await this.#staging.take(directory, entry.name, { shown: next, path: assigned.path, always: false });
      }
    }
    if (more) this.#staging.skip(shown, `over the limit of ${this.#limits.maxEntries} directory entries`);
  }

  async #inside(
    parent: Directory,
    name: string,
    shown: string,
    depth: number,
    visit: (directory: Directory) => Promise<void>,
  ): Promise<void> {
    this.#staging.options.signal.throwIfAborted();
    await this.#listing(shown, async () => {
      if (depth >= this.#limits.maxDepth)
        throw new Unreadable(`deeper than ${this.#limits.maxDepth} directories`);
      const child = await asUnreadable(parent.enter(name));
      await child.using(visit);
    });
  }

  /** Lists an unreadable path as skipped and continues the walk. */
  async #listing(shown: string, visit: () => Promise<void>): Promise<void> {
    try {
      await visit();
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#staging.skip(shown, error.message);
    }
  }
}

/** False also for a missing or unreadable path: `take` detects that and lists it. */
async function isDirectory(parent: Directory, name: string): Promise<boolean> {
  try {
    return (await asUnreadable(lstat(parent.path(name)))).isDirectory();
  } catch (error) {
    if (error instanceof Unreadable) return false;
    throw error;
  }
}
