/**
 * Gerrit's reviews, in memory. Outlives a restart of the engine: posted reviews stay. Like the real one, silently
 * drops an unknown label, and refuses the whole review for a forbidden label. Does not post a run's message twice.
 */
import type { PostOutcome, ReviewedChange, Reviewer } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Failure, Patchset } from '../../src/machines/model/domain.ts';
import type { CurrentChange } from '../../src/machines/model/gerrit-event.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';
import { CallController, type Hold } from './call-controller.ts';

type PostReview = Extract<KeyedEffect, { type: 'postReview' }>;
type ReadChangeState = Extract<KeyedEffect, { type: 'readChangeState' }>;
type ReadVotes = Extract<KeyedEffect, { type: 'readVotes' }>;
type Call = 'post' | 'readChangeState' | 'readVotes';

export interface PostedReview {
  readonly run: string;
  readonly change: number;
  readonly patchset: number;
  readonly message: string;
  readonly labels: Readonly<Record<string, number>>;
  readonly tag: string;
}

export class FakeReviewer implements Reviewer {
  /** Fails, holds, releases, counts and awaits calls by name: `post`, `readChangeState`, `readVotes`. */
  readonly calls = new CallController<Call>();
  /** Everything that Gerrit shows, oldest first. */
  readonly posted: PostedReview[] = [];
  /** Existing labels; others are silently dropped. */
  labels = new Set(['Verified', 'Code-Review']);
  /** Labels that we may not use. */
  restricted = new Set(['Code-Review']);
  /** Changes that do not exist. */
  readonly missing = new Set<number>();
  /** Number of the current patchset, for changes where it differs from the requested one. */
  readonly current = new Map<number, number>();
  /** The branch of changes that were moved. */
  readonly branches = new Map<number, string>();
  /** Kinds of all patchsets of a change, in order, for changes where not all are REWORK. */
  readonly kinds = new Map<number, readonly string[]>();
  /** Changes that are abandoned or merged. */
  readonly closed = new Set<number>();
  /** The argument `recovered` of each call: true if an earlier process may have sent the request. */
  readonly recovered: boolean[] = [];
  /** Our votes by patchset: CHANGE,PATCHSET. */
  readonly #votes = new Map<string, Readonly<Record<string, number>>>();
  #lost: Failure[] = [];

  async post(request: PostReview, signal: AbortSignal, recovered = false): Promise<PostOutcome> {
    this.recovered.push(recovered);
    const outcome = await this.calls.perform('post', signal, () => this.#post(request));
    const lost = this.#lost.shift();
    if (lost !== undefined) throw new OperationError(lost);
    return outcome;
  }

  readChangeState({ patchset, label }: ReadChangeState, signal: AbortSignal): Promise<ReviewedChange> {
    return this.calls.perform('readChangeState', signal, () => {
      const { change, patchset: tested } = patchset;
      if (this.missing.has(change)) throw changeNotFound(patchset);
      const number = this.current.get(change) ?? tested;
      const kinds = this.kinds.get(change) ?? [];
      const branch = this.branches.get(change) ?? patchset.branch;
      const ref = patchset.ref.replace(/[^/]+$/, String(number));
      return {
        change: shown({ ...patchset, patchset: number, branch, ref }, this.closed.has(change)),
        vote: this.vote(change, number, label),
        kinds: Array.from({ length: number }, (_, at) => ({ patchset: at + 1, kind: kinds[at] ?? 'REWORK' })),
      };
    });
  }

  readVotes({ patchset }: ReadVotes, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
    return this.calls.perform('readVotes', signal, () => this.#votes.get(nameOf(patchset)) ?? {});
  }

  /** Our vote as Gerrit shows it. */
  vote(change: number, patchset: number, label = 'Verified'): number {
    return this.#votes.get(nameOf({ change, patchset }))?.[label] ?? 0;
  }

  /** A person removes our vote, or Gerrit copies it to a new patchset. */
  setVote(change: number, patchset: number, value: number, label = 'Verified'): void {
    const votes = this.#votes.get(nameOf({ change, patchset }));
    this.#votes.set(nameOf({ change, patchset }), { ...votes, [label]: value });
  }

  /** The next call (of this name, if given) rejects, and nothing is posted. */
  failNext(failure: Failure, call: Call | null = null): void {
    this.calls.failNext(failure, call);
  }

  /** The next post takes effect, and its answer is lost. */
  loseAnswerNext(failure: Failure): void {
    this.#lost.push(failure);
  }

  /** The next post hangs until `calls.release()`, before or (`answer`) after it takes effect. */
  holdNext(hold: Hold = 'answer'): void {
    this.calls.holdNext(hold, 'post');
  }

  /** The posted reviews of one patchset. */
  on(patchset: Pick<Patchset, 'change' | 'patchset'>): readonly PostedReview[] {
    return this.posted.filter(
      (review) => review.change === patchset.change && review.patchset === patchset.patchset,
    );
  }

  #post(request: PostReview): PostOutcome {
    const { run, patchset, message, tag } = request;
    const { change } = patchset;
    if (!message.includes(run)) throw new Error(`the message does not contain its run's id ${run}`);
    const why = this.#whyNoVote(request);
    const requested = Object.keys(request.labels).length > 0;
    const outcome = { posted: true, voted: requested && why === '', why } as const;
    if (this.posted.some((review) => review.change === change && review.message.includes(run))) {
      return { ...outcome, found: true };
    }
    if (this.missing.has(change)) throw changeNotFound(patchset);
    if (request.onlyCurrent === true && why.startsWith('patchset ')) throw outdated(patchset, why);
    const votes = why === '' ? Object.entries(request.labels) : [];
    const refused = votes.find(([label, value]) => value !== 0 && this.restricted.has(label));
    if (refused !== undefined) {
      return { posted: false, refused: `Applying label "${refused[0]}": ${refused[1]} is restricted` };
    }
    const labels = Object.fromEntries(votes.filter(([label]) => this.labels.has(label)));
    for (const [label, value] of Object.entries(labels))
      this.setVote(change, patchset.patchset, value, label);
    this.posted.push({ run, change, patchset: patchset.patchset, message, labels, tag });
    return { ...outcome, found: false };
  }

  #whyNoVote({ patchset: { change, patchset }, labels }: PostReview): string {
    if (Object.keys(labels).length === 0) return '';
    if (this.closed.has(change)) return 'the change is closed';
    const current = this.current.get(change) ?? patchset;
    return current === patchset ? '' : `patchset ${patchset} is not the current one (${current}) any more`;
  }
}

function nameOf({ change, patchset }: Pick<Patchset, 'change' | 'patchset'>): string {
  return `${change},${patchset}`;
}

function shown(patchset: Patchset, closed: boolean): CurrentChange {
  const alice = { username: 'alice', name: 'Alice', email: 'alice@example.org' };
  return {
    ...{ patchset, status: closed ? 'abandoned' : 'open', kind: 'REWORK', wip: false, private: false },
    ...{ uploader: alice, author: alice, hashtags: [], files: ['README'], votes: [] },
  };
}

function outdated(patchset: Patchset, message: string): OperationError {
  const target = nameOf(patchset);
  return new OperationError({
    operation: 'post review',
    target,
    message,
    retryable: true,
    hint: 'compute the vote again',
  });
}

function changeNotFound(patchset: Patchset): OperationError {
  return new OperationError({
    operation: 'post review',
    target: `${patchset.change},${patchset.patchset}`,
    message: 'the change does not exist',
    retryable: false,
    hint: 'it was deleted, or this account may not read it',
  });
}
