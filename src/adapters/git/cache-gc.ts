/**
 * Keeps the cache small while it is idle: drops refs that no review needs, repacks repositories, and evicts the least
 * recently used projects. Aborts at once when a merge needs the repository. Failures are not reported; the next use
 * triggers another attempt.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { GitCacheConfig } from '../../config/config.ts';
import { OperationError } from '../../errors.ts';
import type { BareRepository, GitContext } from './bare-repository.ts';
import type { CachedRepository } from './cached-repository.ts';
import type { MergeRecords } from './merge-record.ts';
import { FETCHED, TREES } from './tree-ref.ts';

export interface GcOptions {
  readonly limits: Pick<GitCacheConfig, 'maxCacheBytes' | 'maxProjects' | 'repackThreshold'>;
  readonly records: MergeRecords;
  project(name: string): CachedRepository;
  /** Names of the projects on disk. */
  list(): readonly string[];
}

interface Size {
  readonly bytes: number;
  readonly packs: number;
  readonly loose: number;
}

/** Loose objects per allowed pack: each merge leaves a few. */
const LOOSE_FOR_ONE_PACK = 20;

export class CacheGc {
  readonly #options: GcOptions;
  readonly #holds = new Map<string, number>();
  readonly #sizes = new Map<string, number>();
  readonly #unchecked = new Set<string>();
  readonly #ending = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: GcOptions) {
    this.#options = options;
  }

  hold(names: readonly string[]): () => void {
    const held = [...new Set(names)];
    for (const name of held) this.#holds.set(name, (this.#holds.get(name) ?? 0) + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      for (const name of held) {
        const left = (this.#holds.get(name) ?? 1) - 1;
        if (left > 0) this.#holds.set(name, left);
        else this.#holds.delete(name);
        this.#unchecked.add(name);
      }
      this.#start();
    };
  }

  async settled(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.settled();
  }

  #start(): void {
    if (this.#running !== null || this.#ending.signal.aborted) return;
    this.#running = this.#work().finally(() => {
      this.#running = null;
      if (this.#unchecked.size > 0) this.#start();
    });
  }

  async #work(): Promise<void> {
    try {
      for (const name of [...this.#unchecked]) {
        this.#unchecked.delete(name);
        if (!this.#ending.signal.aborted) await this.#check(name);
      }
      await this.#evict();
    } catch (error) {
      if (!(error instanceof OperationError) && !isFileError(error) && !this.#ending.signal.aborted)
        throw error;
    }
  }

  async #check(name: string): Promise<void> {
    const { limits, project } = this.#options;
    const size = await sizeOf(project(name).directory);
    this.#sizes.set(name, size.bytes);
    if (this.#holds.has(name) || project(name).lock.inUse) return;
    if (size.packs <= limits.repackThreshold && size.loose <= limits.repackThreshold * LOOSE_FOR_ONE_PACK)
      return;
    await project(name).alone(this.#context(name), async (repository, wanted) => {
      if (this.#holds.has(name)) return;
      const signal = AbortSignal.any([wanted, this.#ending.signal]);
      const context = { ...this.#context(name), signal };
      await this.#dropStrayRefs(context, name, repository);
      await repository.pack(context);
    });
    this.#sizes.set(name, (await sizeOf(project(name).directory)).bytes);
  }

  /** Drops refs of interrupted merges and of reviews without a record. */
  async #dropStrayRefs(context: GitContext, name: string, repository: BareRepository): Promise<void> {
    const needed = await this.#options.records.revisions(name);
    const refs = await repository.refs(context, [TREES, FETCHED]);
    const stray = [...refs.keys()].filter((ref) => !needed.has(ref.slice(TREES.length)));
    await repository.setRefs(context, new Map(stray.map((ref) => [ref, null])));
  }

  /** Evicts the least recently used projects first, never the most recently used one. */
  async #evict(): Promise<void> {
    const { limits, records, project } = this.#options;
    const names = this.#options.list();
    const used = new Map<string, number>();
    for (const name of names) {
      const { directory } = project(name);
      used.set(name, (await stat(directory)).mtimeMs);
      if (!this.#sizes.has(name)) this.#sizes.set(name, (await sizeOf(directory)).bytes);
    }
    const oldestFirst = [...names].sort((a, b) => (used.get(a) ?? 0) - (used.get(b) ?? 0));
    let count = names.length;
    let bytes = names.reduce((sum, name) => sum + (this.#sizes.get(name) ?? 0), 0);
    for (const name of oldestFirst.slice(0, -1)) {
      if (bytes <= limits.maxCacheBytes && count <= limits.maxProjects) return;
      if (this.#holds.has(name) || (await records.revisions(name)).size > 0) continue;
      if (this.#ending.signal.aborted || !(await project(name).clear(this.#context(name)))) continue;
      count -= 1;
      bytes -= this.#sizes.get(name) ?? 0;
      this.#sizes.delete(name);
    }
  }

  #context(name: string): GitContext {
    return { operation: 'tidy git cache', target: name, signal: this.#ending.signal };
  }
}

async function sizeOf(directory: string): Promise<Size> {
  const files = await readdir(join(directory, 'objects'), { withFileTypes: true, recursive: true });
  let [bytes, packs, loose] = [0, 0, 0];
  for (const file of files) {
    if (!file.isFile()) continue;
    bytes += (await stat(join(file.parentPath, file.name))).size;
    if (file.name.endsWith('.pack')) packs += 1;
    else if (/^[0-9a-f]{38}$/.test(file.name)) loose += 1;
  }
  return { bytes, packs, loose };
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}
