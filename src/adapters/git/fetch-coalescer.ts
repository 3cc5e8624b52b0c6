/**
 * Coalesces the fetches of one repository: one runs at a time, and requests that arrive meanwhile share the next one,
 * so that ten reviews of a project cost two connections. A fetch is cancelled when no request waits for it. The first
 * one, which brings the whole history, continues anyway, because it would otherwise never finish.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import type { BareRepository, GitContext, Remote } from './bare-repository.ts';
import { GitFailed } from './command.ts';

export interface Wanted {
  /** Name on the remote. */
  readonly ref: string;
  /** Local name. */
  readonly as: string;
}

interface FetchRequest {
  readonly wanted: readonly Wanted[];
  readonly context: GitContext;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  abandoned: boolean;
  /** Its last error, before it is fetched alone. */
  lastError: OperationError | null;
}

interface FetchCoalescerOptions {
  readonly repository: BareRepository;
  readonly remote: Remote;
  readonly clock: Clock;
  /** Timeout of the initial fetch of the whole project. */
  readonly cloneTimeoutMs: number;
  /** The path of a new temporary directory. */
  readonly scratch: () => string;
  /** Called after a fetch was killed or failed, because its leftovers block the next one. */
  readonly untidy: () => void;
}

export class FetchCoalescer {
  readonly #options: FetchCoalescerOptions;
  #waiting: FetchRequest[] = [];
  #current: AbortController | null = null;
  #closed = false;
  /** During a fetch: checks whether it is still needed. */
  #wake: () => void = () => {};

  constructor(options: FetchCoalescerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a fetch that starts after this call has brought everything in `wanted`. Rejects with GitFailed only
   * when the repository must be broken, and with another OperationError when the remote or a patch is at fault.
   * @param wanted the tip of the branch, then the patches
   */
  fetch(context: GitContext, wanted: readonly Wanted[]): Promise<void> {
    let abandon = (): void => {};
    return new Promise<void>((resolve, reject) => {
      if (this.#closed || context.signal.aborted) return reject(aborted(context));
      const request: FetchRequest = { wanted, context, resolve, reject, abandoned: false, lastError: null };
      abandon = () => {
        request.abandoned = true;
        reject(aborted(context, request.lastError));
        this.#waiting = this.#waiting.filter((other) => other !== request);
        this.#wake();
      };
      context.signal.addEventListener('abort', abandon, { once: true });
      this.#waiting.push(request);
      void this.#run();
    }).finally(() => context.signal.removeEventListener('abort', abandon));
  }

  /** Cancels the current fetch. */
  close(): void {
    this.#closed = true;
    this.#current?.abort();
  }

  async #run(): Promise<void> {
    if (this.#current !== null) return;
    while (this.#waiting.length > 0 && !this.#closed) {
      const requests = this.#waiting.splice(0);
      this.#current = new AbortController();
      try {
        await this.#fetchFor(requests, this.#current);
      } finally {
        this.#current = null;
        this.#wake = () => {};
      }
    }
  }

  async #fetchFor(requests: readonly FetchRequest[], current: AbortController): Promise<void> {
    const first = await this.#isEmpty();
    const limit = first
      ? this.#options.clock.after(this.#options.cloneTimeoutMs, () => current.abort())
      : () => {};
    this.#wake = () => {
      if (!first && requests.every(({ abandoned }) => abandoned)) current.abort();
    };
    this.#wake();
    try {
      await this.#fetchTogether(current.signal, requests);
      for (const request of requests) request.resolve();
    } catch (error) {
      this.#options.untidy();
      if (!(error instanceof GitFailed) || current.signal.aborted) {
        for (const request of requests) request.reject(error);
        return;
      }
      // One missing ref fails the whole fetch, so each request is retried alone to get its own error.
      for (const request of requests) {
        request.lastError = error;
        if (!request.abandoned)
          await this.#fetchAlone(request, current.signal).then(request.resolve, request.reject);
      }
    } finally {
      limit();
    }
  }

  /** The repository has no pack yet. */
  async #isEmpty(): Promise<boolean> {
    const files = await readdir(join(this.#options.repository.objects, 'pack')).catch(() => null);
    return files !== null && !files.some((file) => file.endsWith('.idx'));
  }

  async #fetchAlone(request: FetchRequest, signal: AbortSignal): Promise<void> {
    const { repository, remote } = this.#options;
    const context = { ...request.context, signal };
    const refs = request.wanted.map(({ ref }) => ref);
    let existing: ReadonlySet<string>;
    try {
      existing = await repository.remoteRefs(context, remote, refs);
    } catch (error) {
      throw error instanceof GitFailed ? unreachable(context, error) : error;
    }
    const missing = refs.find((ref) => !existing.has(ref));
    if (missing !== undefined) throw refMissing(context, missing);
    // The tip first, so that a new repository keeps the history of the branch when a patch is refused.
    await repository.fetch(context, remote, refspecsOf(request.wanted.slice(0, 1)));
    await this.#fetchPatches(context, refspecsOf(request.wanted.slice(1)));
  }

  /**
   * git checks incoming objects, so a patch can make it fail in an intact repository. That is the cause if git can
   * fetch the patch without the check, and cannot with it.
   */
  async #fetchPatches(context: GitContext, refspecs: readonly string[]): Promise<void> {
    const { repository, remote, scratch } = this.#options;
    const fetch = () => repository.fetch(context, remote, refspecs);
    const tryFetch = (check: boolean) => repository.tryFetch(context, remote, refspecs, check, scratch());
    try {
      return await fetch();
    } catch (error) {
      if (!(error instanceof GitFailed)) throw error;
    }
    await tryFetch(false);
    await tryFetch(true).catch((error: unknown) => {
      throw error instanceof GitFailed ? patchRefused(context, error) : error;
    });
    await fetch();
  }

  #fetchTogether(signal: AbortSignal, requests: readonly FetchRequest[]): Promise<void> {
    const { repository, remote } = this.#options;
    const [request] = requests;
    const target = request?.context.target ?? repository.directory;
    const context = { operation: request?.context.operation ?? 'fetch', target, signal };
    return repository.fetch(context, remote, refspecsOf(requests.flatMap(({ wanted }) => wanted)));
  }
}

function refspecsOf(wanted: readonly Wanted[]): readonly string[] {
  return [...new Set(wanted.map(({ ref, as }) => `+${ref}:${as}`))];
}

function aborted({ operation, target }: GitContext, lastError: OperationError | null = null): OperationError {
  return new OperationError({
    operation,
    target,
    message: `fetch aborted: it took too long, or the daemon is stopping${lastError === null ? '' : `; last error: ${lastError.message}`}`,
    retryable: true,
    hint: 'check that Gerrit answers, and raise the timeout for a large project',
  });
}

function unreachable({ operation, target }: GitContext, cause: GitFailed): OperationError {
  const { message, hint } = cause;
  return new OperationError({ operation, target, message, retryable: true, hint, cause });
}

function patchRefused({ operation, target }: GitContext, cause: GitFailed): OperationError {
  return new OperationError({
    operation,
    target,
    message: `git refuses the objects of this patchset or of a change that it depends on: ${cause.message}`,
    retryable: false,
    hint: 'the author has to upload a patchset without this error',
    cause,
  });
}

function refMissing({ operation, target }: GitContext, ref: string): OperationError {
  return new OperationError({
    operation,
    target,
    message: `there is no ${ref}`,
    retryable: true,
    hint: 'the branch or the change is gone, this account may not read it, or gerrit.fetchUrl names a mirror that is behind',
  });
}
