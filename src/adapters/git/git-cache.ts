/**
 * Bare repositories of the tested projects, under stateDir/git. Each is cloned from Gerrit once and updated
 * incrementally, so a merge costs one short fetch. Bounded by size and number; the least recently used are evicted
 * first, except those that an open review needs.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GitCacheConfig } from '../../config/config.ts';
import type { Clock } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import { CacheGc } from './cache-gc.ts';
import { CachedRepository, TEMPORARY_PREFIX } from './cached-repository.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { addressOf, type FetchFrom } from './fetch-url.ts';
import { MergeRecords } from './merge-record.ts';
import { type SshIdentity, sshCommand } from './ssh-command.ts';

export interface GitCacheOptions {
  readonly stateDir: string;
  readonly gerrit: FetchFrom & SshIdentity;
  readonly clock: Clock;
  /** Shared by all git commands for this Gerrit. */
  readonly connectionLimit: ConnectionLimit;
  readonly limits: GitCacheConfig;
}

const REPOSITORY = '.git';
const NAME_LENGTH = 200;

export class GitCache {
  readonly records: MergeRecords;
  readonly connectionLimit: ConnectionLimit;
  readonly #directory: string;
  readonly #options: GitCacheOptions;
  readonly #projects = new Map<string, CachedRepository>();
  readonly #gc: CacheGc;
  #closed = false;

  constructor(options: GitCacheOptions) {
    this.#options = options;
    this.connectionLimit = options.connectionLimit;
    this.#directory = join(options.stateDir, 'git');
    this.records = new MergeRecords(join(this.#directory, 'merges'));
    this.#gc = new CacheGc({
      limits: options.limits,
      records: this.records,
      project: (name) => this.project(name),
      list: () => this.#list(),
    });
  }

  /** The project, which may not have been fetched yet. Throws for names that are not valid in a URL. */
  project(name: string): CachedRepository {
    const known = this.#projects.get(name);
    if (known !== undefined) return known;
    if (this.#projects.size === 0) this.#removeTemporary();
    const { gerrit, clock, limits } = this.#options;
    const address = addressOf(gerrit, name);
    const environment = { GIT_SSH_COMMAND: sshCommand(gerrit) };
    const directory = join(this.#directory, `${fileName(name)}${REPOSITORY}`);
    const { connectionLimit } = this;
    const project = new CachedRepository({
      name,
      directory,
      address,
      environment,
      clock,
      connectionLimit,
      ...limits,
    });
    if (this.#closed) project.close();
    this.#projects.set(name, project);
    return project;
  }

  /** Whether the project is on disk. */
  holds(name: string): boolean {
    return existsSync(this.project(name).directory);
  }

  /** Protects these projects from garbage collection until the returned function is called, which then schedules it. */
  hold(names: readonly string[]): () => void {
    return this.#gc.hold(names);
  }

  /** Resolves when no garbage collection is running. */
  settled(): Promise<void> {
    return this.#gc.settled();
  }

  /** Cancels fetches and garbage collection. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const project of this.#projects.values()) project.close();
    await this.#gc.close();
  }

  /** Removes directories that a crashed daemon was creating or deleting. */
  #removeTemporary(): void {
    try {
      for (const name of readdirSync(this.#directory)) {
        if (name.startsWith(TEMPORARY_PREFIX))
          rmSync(join(this.#directory, name), { recursive: true, force: true });
      }
    } catch {
      // The first use of the cache reports the error.
    }
  }

  /** Names of the projects on disk. */
  #list(): readonly string[] {
    return readdirSync(this.#directory).flatMap((file) => {
      const name = projectName(file);
      return name === null ? [] : [name];
    });
  }
}

/** One flat file name per project, because one project's path can be a prefix of another's. */
function fileName(project: string): string {
  const name = encodeURIComponent(project);
  if (name.length <= NAME_LENGTH) return name;
  throw new OperationError({
    operation: 'create git cache',
    target: project,
    message: 'the name of the project is too long for a directory',
    retryable: false,
    hint: 'remove it from the jobs, or set git.merge to false',
  });
}

/** Null for directories that this cache did not create. */
function projectName(file: string): string | null {
  if (!file.endsWith(REPOSITORY)) return null;
  try {
    const name = decodeURIComponent(file.slice(0, -REPOSITORY.length));
    return `${encodeURIComponent(name)}${REPOSITORY}` === file ? name : null;
  } catch {
    return null;
  }
}
