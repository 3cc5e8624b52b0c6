/**
 * One project in the cache: its repository, its lock and its fetches. A broken repository is deleted and fetched again;
 * it contains nothing that cannot be fetched or merged again.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, statfs, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import { BareRepository, type GitContext } from './bare-repository.ts';
import { assertInstalled, GitFailed } from './command.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { FetchCoalescer, type Wanted } from './fetch-coalescer.ts';
import type { Address } from './fetch-url.ts';
import { ReadWriteLock } from './read-write-lock.ts';

export interface ProjectOptions {
  readonly name: string;
  readonly directory: string;
  readonly address: Address;
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly connectionLimit: ConnectionLimit;
  /** Timeout of the initial fetch of the whole project. */
  readonly cloneTimeoutMs: number;
  /** After a new repository fails too, the time until the next one is created. */
  readonly recloneIntervalMs: number;
}

/** Name prefix of temporary directories, and of repositories being created or deleted. */
export const TEMPORARY_PREFIX = '.passing-';
/** With less free disk space than this, a failure does not mean that the repository is broken. */
const MIN_FREE_BYTES = 64 * 1024 * 1024;
/**
 * Maximum number of new repositories within `recloneIntervalMs`; each fetches the whole project. A disk that breaks
 * more of them needs an operator.
 */
const RENEWALS_LIMIT = 5;
/** Files that a killed git leaves. No other program uses the repository, so all of them are stale. */
const LEFTOVERS = /\.lock$|^tmp_|\.keep$|^gc\.pid$/;

export class CachedRepository {
  readonly name: string;
  readonly directory: string;
  readonly lock = new ReadWriteLock();
  readonly #options: ProjectOptions;
  readonly #repository: BareRepository;
  readonly #fetches: FetchCoalescer;
  /** The repository exists and contains no leftovers of a killed git. */
  #isTidy = false;
  #generation = 0;
  /** Monotonic times at which the repository was deleted as broken, within the last `recloneIntervalMs`. */
  #renewals: readonly number[] = [];
  /** Monotonic time at which git last failed in a new repository as well. */
  #failedAgainAt = Number.NEGATIVE_INFINITY;

  constructor(options: ProjectOptions) {
    const { name, directory, address, clock, connectionLimit, cloneTimeoutMs } = options;
    this.name = name;
    this.directory = directory;
    this.#repository = new BareRepository(directory, options.environment);
    this.#options = options;
    const untidy = (): void => {
      this.#isTidy = false;
    };
    this.#fetches = new FetchCoalescer({
      repository: this.#repository,
      remote: { address, connectionLimit },
      clock,
      cloneTimeoutMs,
      scratch: () => temporaryName(dirname(directory)),
      untidy,
    });
  }

  /** Runs `work` in the repository. When git fails in it, runs `work` again in a new one. */
  async use<T>(context: GitContext, work: (repository: BareRepository) => Promise<T>): Promise<T> {
    const generation = this.#generation;
    try {
      return await this.#inside(context, work);
    } catch (error) {
      if (!(error instanceof GitFailed) || context.signal.aborted) throw error;
      if (this.#generation === generation && !(await this.#mayRenew())) throw error;
      await this.renew(context, generation);
      return await this.#retry(context, work);
    }
  }

  /** Runs `work` in the existing repository, without a second attempt. */
  useOnce<T>(context: GitContext, work: (repository: BareRepository) => Promise<T>): Promise<T> {
    return this.#inside(context, work);
  }

  async fetch(context: GitContext, wanted: readonly Wanted[]): Promise<void> {
    if (this.#options.address.protocol === 'ssh') await assertInstalled('ssh', context.target);
    await this.#fetches.fetch(context, wanted);
    await utimes(this.directory, new Date(), new Date());
  }

  /** Changes whenever the repository is deleted. */
  get generation(): number {
    return this.#generation;
  }

  /** Deletes the repository, unless it has been deleted since `generation`. */
  async renew(context: GitContext, generation: number): Promise<void> {
    await this.alone(context, async () => {
      if (this.#generation !== generation) return;
      this.#renewals = [...this.#recentRenewals(), this.#options.clock.monotonic()];
      await this.#discard();
    });
  }

  /** Deletes the repository permanently, unless it is in use. Returns true when it was deleted. */
  async clear(context: GitContext): Promise<boolean> {
    if (this.lock.inUse) return false;
    await this.alone(context, () => this.#discard());
    return true;
  }

  /**
   * Runs `work` with exclusive access. Interruptible work watches `wanted`, which aborts when others wait for access.
   */
  async alone<T>(
    context: GitContext,
    work: (repository: BareRepository, wanted: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.lock.write(context.signal, async (wanted) => {
      try {
        return await work(this.#repository, wanted);
      } catch (error) {
        this.#isTidy = false;
        throw error;
      }
    });
  }

  close(): void {
    this.#fetches.close();
  }

  async #inside<T>(context: GitContext, work: (repository: BareRepository) => Promise<T>): Promise<T> {
    try {
      if (!this.#isTidy) await this.alone(context, () => this.#prepare(context));
      const release = await this.lock.read(context.signal);
      try {
        return await work(this.#repository);
      } finally {
        release();
      }
    } catch (error) {
      if (context.signal.aborted && !(error instanceof OperationError)) throw stopped(context);
      throw isFileError(error) ? unwritable(context, error) : error;
    }
  }

  /** Runs `work` in a new repository. When it fails there too, the repository is not the cause. */
  async #retry<T>(context: GitContext, work: (repository: BareRepository) => Promise<T>): Promise<T> {
    try {
      return await this.#inside(context, work);
    } catch (error) {
      if (error instanceof GitFailed && !context.signal.aborted) {
        this.#failedAgainAt = this.#options.clock.monotonic();
      }
      throw error;
    }
  }

  async #prepare(context: GitContext): Promise<void> {
    if (this.#isTidy) return;
    try {
      await tidy(this.directory);
    } catch (error) {
      if (!isFileError(error) || error.code !== 'ENOENT') throw error;
      await this.#discard();
      const temporary = temporaryName(dirname(this.directory));
      await mkdir(temporary, { recursive: true, mode: 0o700 });
      await new BareRepository(temporary, {}).create(context);
      await rename(temporary, this.directory);
    }
    await utimes(this.directory, new Date(), new Date());
    this.#isTidy = true;
  }

  /** Renames the repository, then removes it in the background, which takes long for a large one. */
  async #discard(): Promise<void> {
    this.#isTidy = false;
    this.#generation += 1;
    const discarded = temporaryName(dirname(this.directory));
    try {
      await rename(this.directory, discarded);
    } catch (error) {
      if (isFileError(error) && error.code === 'ENOENT') return;
      throw error;
    }
    // The next start removes what remains.
    void rm(discarded, { recursive: true, force: true }).catch(() => {});
  }

  /** False when disk space is short, when the last new repository did not help, or at the renewal limit. */
  async #mayRenew(): Promise<boolean> {
    const { clock, recloneIntervalMs } = this.#options;
    if (clock.monotonic() - this.#failedAgainAt < recloneIntervalMs) return false;
    if (this.#recentRenewals().length >= RENEWALS_LIMIT) return false;
    const { bavail, bsize } = await statfs(dirname(this.directory));
    return bavail * bsize > MIN_FREE_BYTES;
  }

  #recentRenewals(): readonly number[] {
    const { clock, recloneIntervalMs } = this.#options;
    const since = clock.monotonic() - recloneIntervalMs;
    return this.#renewals.filter((at) => at > since);
  }
}

/** Removes the leftovers of a killed git, which block commands and use disk space. */
async function tidy(directory: string): Promise<void> {
  const paths = ['.', 'objects/pack', 'refs'].map((path) => join(directory, path));
  const files = await Promise.all(
    paths.map((path) => readdir(path, { withFileTypes: true, recursive: path.endsWith('refs') })),
  );
  const left = files.flat().filter((file) => file.isFile() && LEFTOVERS.test(file.name));
  await Promise.all(left.map((file) => rm(join(file.parentPath, file.name), { force: true })));
}

function temporaryName(directory: string): string {
  return join(directory, `${TEMPORARY_PREFIX}${randomBytes(8).toString('hex')}`);
}

function isFileError(error: unknown): error is Error & { readonly code: unknown } {
  return error instanceof Error && !(error instanceof OperationError) && 'code' in error;
}

function unwritable({ operation, target }: GitContext, cause: Error): OperationError {
  return new OperationError({
    operation,
    target,
    message: cause.message,
    retryable: true,
    hint: 'check that the state directory has free space, and that the daemon owns it',
    cause,
  });
}

function stopped({ operation, target }: GitContext): OperationError {
  return new OperationError({
    operation,
    target,
    message: 'aborted while waiting for the cache',
    retryable: true,
    hint: 'sos-ci retries automatically',
  });
}
