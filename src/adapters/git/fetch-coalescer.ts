/**
 * Fetching for one repository: one at a time, and whoever asks while one is under way goes with the next, all of them
 * together, so that ten reviews of a project cost two connections and not ten. A fetch ends when nobody waits for it any
 * more; only the first one, which brings the whole history, may take its time, because it would never end otherwise.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import type { BareRepository, GitContext, Remote } from './bare-repository.ts';
import { GitFailed } from './command.ts';

export interface Wanted {
  /** On the other side. */
  readonly ref: string;
  /** Here. */
  readonly as: string;
}

interface Asker {
  readonly wanted: readonly Wanted[];
  readonly errand: GitContext;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  left: boolean;
  /** What went wrong with it before it is tried alone. */
  last: OperationError | null;
}

interface FetchLineOptions {
  readonly repository: BareRepository;
  readonly remote: Remote;
  readonly clock: Clock;
  /** For the fetch that brings a whole project. */
  readonly cloneTimeoutMs: number;
  /** A fetch was killed or failed: what it left behind is in the way. */
  readonly untidy: () => void;
}

export class FetchCoalescer {
  readonly #options: FetchLineOptions;
  #waiting: Asker[] = [];
  #under: AbortController | null = null;
  #closed = false;
  /** While a fetch is under way: asks whether it still has to be. */
  #wake: () => void = () => {};

  constructor(options: FetchLineOptions) {
    this.#options = options;
  }

  /**
   * Resolves when all that is wanted has been fetched after this call began. Rejects with GitFailed only when the
   * repository itself must be broken; with another OperationError when the other side is to blame.
   */
  fetch(errand: GitContext, wanted: readonly Wanted[]): Promise<void> {
    let leave = (): void => {};
    return new Promise<void>((resolve, reject) => {
      if (this.#closed || errand.signal.aborted) return reject(givenUp(errand));
      const asker: Asker = { wanted, errand, resolve, reject, left: false, last: null };
      leave = () => {
        asker.left = true;
        reject(givenUp(errand, asker.last));
        this.#waiting = this.#waiting.filter((other) => other !== asker);
        this.#wake();
      };
      errand.signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(asker);
      void this.#run();
    }).finally(() => errand.signal.removeEventListener('abort', leave));
  }

  /** Ends what is under way. */
  close(): void {
    this.#closed = true;
    this.#under?.abort();
  }

  async #run(): Promise<void> {
    if (this.#under !== null) return;
    while (this.#waiting.length > 0 && !this.#closed) {
      const askers = this.#waiting.splice(0);
      this.#under = new AbortController();
      try {
        await this.#fetchFor(askers, this.#under);
      } finally {
        this.#under = null;
        this.#wake = () => {};
      }
    }
  }

  async #fetchFor(askers: readonly Asker[], under: AbortController): Promise<void> {
    const first = await this.#isEmpty();
    const limit = first
      ? this.#options.clock.after(this.#options.cloneTimeoutMs, () => under.abort())
      : () => {};
    this.#wake = () => {
      if (!first && askers.every(({ left }) => left)) under.abort();
    };
    this.#wake();
    try {
      await this.#fetchOnce(under.signal, askers);
      for (const asker of askers) asker.resolve();
    } catch (error) {
      this.#options.untidy();
      if (!(error instanceof GitFailed) || under.signal.aborted) {
        for (const asker of askers) asker.reject(error);
        return;
      }
      // One ref that is not there fails all: each is told what is wrong with its own.
      for (const asker of askers) {
        asker.last = error;
        if (!asker.left) await this.#fetchAlone(asker, under.signal).then(asker.resolve, asker.reject);
      }
    } finally {
      limit();
    }
  }

  /** Nothing was ever fetched. */
  async #isEmpty(): Promise<boolean> {
    const files = await readdir(join(this.#options.repository.objects, 'pack')).catch(() => null);
    return files !== null && !files.some((file) => file.endsWith('.idx'));
  }

  async #fetchAlone(asker: Asker, signal: AbortSignal): Promise<void> {
    const { repository, remote } = this.#options;
    const errand = { ...asker.errand, signal };
    const refs = asker.wanted.map(({ ref }) => ref);
    let there: ReadonlySet<string>;
    try {
      there = await repository.remoteRefs(errand, remote, refs);
    } catch (error) {
      throw error instanceof GitFailed ? unreachable(errand, error) : error;
    }
    const missing = refs.find((ref) => !there.has(ref));
    if (missing !== undefined) throw notThere(errand, missing);
    await this.#fetchOnce(signal, [asker]);
  }

  #fetchOnce(signal: AbortSignal, askers: readonly Asker[]): Promise<void> {
    const { repository, remote } = this.#options;
    const [asker] = askers;
    const target = asker?.errand.target ?? repository.directory;
    const errand = { operation: asker?.errand.operation ?? 'fetch', target, signal };
    const refspecs = new Set(askers.flatMap(({ wanted }) => wanted.map(({ ref, as }) => `+${ref}:${as}`)));
    return repository.fetch(errand, remote, [...refspecs]);
  }
}

function givenUp({ operation, target }: GitContext, last: OperationError | null = null): OperationError {
  return new OperationError({
    operation,
    target,
    message: `given up while fetching: it took too long, or the daemon stops${last === null ? '' : `; last: ${last.message}`}`,
    retryable: true,
    hint: 'see whether Gerrit answers, and give a large project more time',
  });
}

function unreachable({ operation, target }: GitContext, cause: GitFailed): OperationError {
  const { message, hint } = cause;
  return new OperationError({ operation, target, message, retryable: true, hint, cause });
}

function notThere({ operation, target }: GitContext, ref: string): OperationError {
  return new OperationError({
    operation,
    target,
    message: `there is no ${ref}`,
    retryable: true,
    hint: 'the branch or the change is gone, this account may not read it, or gerrit.fetchUrl names a mirror that is behind',
  });
}
