/**
 * Evidence in memory. One object simulates this host and its log server, so a test keeps it over a restart of the engine:
 * collected and published files still exist, and a second publish finds the files of the first one.
 */
import type { CollectedSummary, Evidence } from '../../src/engine/ports/adapters.ts';
import type { Expiry } from '../../src/engine/ports/publisher.ts';
import { OperationError } from '../../src/errors.ts';
import type { EvidencePart } from '../../src/machines/model/domain.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';

type CollectRequest = Extract<KeyedEffect, { type: 'collectEvidence' }>;
type PublishRequest = Extract<KeyedEffect, { type: 'publishEvidence' }>;
export type EvidenceCall = 'collect' | 'publish' | 'held' | 'discard' | 'expire';

export interface FakePublication {
  readonly url: string;
  readonly request: PublishRequest;
  /** Text by path. */
  readonly files: ReadonlyMap<string, string>;
}

export class FakeEvidence implements Evidence {
  /** How many times each was called, failures included. */
  readonly calls: Record<EvidenceCall, number> = { collect: 0, publish: 0, held: 0, discard: 0, expire: 0 };
  readonly collectRequests: CollectRequest[] = [];
  readonly publishRequests: PublishRequest[] = [];
  readonly discarded: string[] = [];
  readonly expiries: Expiry[] = [];
  /** Published files by job. */
  readonly published = new Map<string, FakePublication>();
  /** Files on this host, by job. */
  readonly staged = new Map<string, ReadonlyMap<string, string>>();
  readonly #added = new Map<string, Map<string, string>>();
  readonly #failures: Record<EvidenceCall, Error[]> = {
    collect: [],
    publish: [],
    held: [],
    discard: [],
    expire: [],
  };
  readonly #lost: Error[] = [];
  readonly #gates: Record<EvidenceCall, Promise<void>[]> = {
    collect: [],
    publish: [],
    held: [],
    discard: [],
    expire: [],
  };

  /** Puts a file where `collect` of the job finds it: `attempt-1/testing.log`, `worktree/logs/a.txt`. */
  addFile(job: string, path: string, text: string): void {
    const files = this.#added.get(job) ?? new Map<string, string>();
    files.set(path, text);
    this.#added.set(job, files);
  }

  /** The next call rejects with this and has no effect. Two calls of this method affect the next two. */
  failNext(call: EvidenceCall, failure: Error = evidenceFailure(call, true)): void {
    this.#failures[call].push(failure);
  }

  /** The next publish takes effect, and its answer is lost. */
  losePublishAnswer(failure: Error = evidenceFailure('publish', true)): void {
    this.#lost.push(failure);
  }

  /** The next call waits, before any effect, until the returned function is called or its signal aborts. */
  holdNext(call: EvidenceCall): () => void {
    let release = (): void => {};
    this.#gates[call].push(
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    return () => release();
  }

  async collect(request: CollectRequest, signal: AbortSignal): Promise<CollectedSummary> {
    this.collectRequests.push(request);
    await this.#enter('collect', signal);
    const added = [...(this.#added.get(request.owner.job) ?? [])];
    const files = new Map(added.filter(([path]) => isRequested(path, request)));
    this.staged.set(request.owner.job, files);
    const bytes = [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    return {
      files: files.size,
      bytes,
      skipped: 0,
      url: publicationUrl(request, request.owner.job.slice(0, 12)),
    };
  }

  async publish(request: PublishRequest, signal: AbortSignal): Promise<string> {
    this.publishRequests.push(request);
    await this.#enter('publish', signal);
    const { job } = request.owner;
    const before = this.published.get(job);
    const files = this.staged.get(job);
    if (before === undefined && files === undefined) throw evidenceFailure('publish', false);
    const published = before ?? { url: this.#freeUrl(request), request, files: files ?? new Map() };
    this.published.set(job, published);
    const lost = this.#lost.shift();
    if (lost !== undefined) throw lost;
    return published.url;
  }

  async lastLine(
    { job, attempt }: { readonly job: string; readonly attempt: number },
    stage: string,
  ): Promise<string | null> {
    const text = this.#added.get(job)?.get(`attempt-${attempt}/${stage}.log`) ?? '';
    return text.trim().split('\n').at(-1) || null;
  }

  async held(): Promise<readonly string[]> {
    await this.#enter('held', null);
    return [...new Set([...this.#added.keys(), ...this.staged.keys()])].sort();
  }

  async discard(job: string, part: EvidencePart): Promise<void> {
    await this.#enter('discard', null);
    this.discarded.push(part === 'all' ? job : `${part} of ${job}`);
    if (part !== 'runs') this.staged.delete(job);
    if (part !== 'collected') this.#added.delete(job);
  }

  async expire(expiry: Expiry, _timeoutMs: number, signal: AbortSignal): Promise<number> {
    this.expiries.push(expiry);
    await this.#enter('expire', signal);
    const expired = [...this.published.keys()].filter((job) => !expiry.isNeeded(job));
    for (const job of expired) this.published.delete(job);
    return expired.length;
  }

  #freeUrl(request: PublishRequest): string {
    const usedUrls = new Set([...this.published.values()].map((publication) => publication.url));
    const short = publicationUrl(request, request.owner.job.slice(0, 12));
    return usedUrls.has(short) ? publicationUrl(request, request.owner.job) : short;
  }

  async #enter(call: EvidenceCall, signal: AbortSignal | null): Promise<void> {
    this.calls[call] += 1;
    const gate = this.#gates[call].shift();
    if (gate !== undefined) await Promise.race(signal === null ? [gate] : [gate, aborted(signal)]);
    if (signal?.aborted === true) throw evidenceFailure(call, true);
    const failure = this.#failures[call].shift();
    if (failure !== undefined) throw failure;
  }
}

/** Files of the work tree are collected only if they are named and the server exists. */
function isRequested(path: string, request: CollectRequest): boolean {
  if (!path.startsWith('worktree/')) return true;
  if (request.server === null) return false;
  return request.logs.some((log) => `${path}/`.startsWith(`worktree/${log}/`));
}

function publicationUrl(request: Pick<PublishRequest, 'patchset' | 'pipeline' | 'name'>, id: string): string {
  const { change, patchset } = request.patchset;
  const shard = String(change).slice(-2).padStart(2, '0');
  return `https://logs.example.org/${shard}/${change}/${patchset}/${request.pipeline}/${request.name}/${id}/`;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function evidenceFailure(call: EvidenceCall, retryable: boolean): OperationError {
  return new OperationError({
    operation: `${call} evidence`,
    target: 'logs',
    message: `the log server did not ${call}`,
    retryable,
    hint: 'check the log server',
  });
}
