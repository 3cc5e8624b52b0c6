/**
 * Posts reviews, once per run. Gerrit does not deduplicate messages, so our own messages are read before posting. After
 * a lost answer, the request gets time to arrive before the next check. A vote is sent only for the current patchset of
 * an open change; otherwise the message is posted without it.
 */
import type { Clock, PostOutcome, ReviewedChange, Reviewer } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import type { Patchset } from '../../../machines/model/domain.ts';
import type { KeyedEffect } from '../../../machines/protocol/effects.ts';
import { sleep } from '../../../timer.ts';
import { UnknownOutcomeError } from '../transport/unknown-outcome.ts';
import {
  asRetryable,
  type ChangeSnapshot,
  formatPatchset,
  type ReviewSession,
  type ReviewTransport,
} from './transport.ts';
import { truncateMessage } from './truncate-message.ts';

type PostReview = Extract<KeyedEffect, { type: 'postReview' }>;
type ReadChangeState = Extract<KeyedEffect, { type: 'readChangeState' }>;
type ReadVotes = Extract<KeyedEffect, { type: 'readVotes' }>;

export class GerritReviewer implements Reviewer {
  readonly #route: ReviewTransport;
  readonly #clock: Clock;
  readonly #settleMs: number;
  /**
   * Runs whose request may still arrive at Gerrit, with the monotonic time from which it no longer can. Null until
   * Gerrit has answered since the connection broke: a server that hung processes its queued sockets when it resumes,
   * however late.
   */
  readonly #unsettled = new Map<string, number | null>();

  /** @param settleMs how long an interrupted request may still arrive at a Gerrit that answers */
  constructor(route: ReviewTransport, clock: Clock, settleMs: number) {
    this.#route = route;
    this.#clock = clock;
    this.#settleMs = settleMs;
  }

  /** @param recovered an earlier process may have sent this request before it died */
  async post(request: PostReview, signal: AbortSignal, recovered = false): Promise<PostOutcome> {
    const message = truncateMessage(request.message, request.run);
    if (recovered) this.#unsettled.set(request.run, null);
    const arrived = await this.#settle(request, signal);
    if (arrived !== null) return arrived;
    try {
      return await this.#route.withSession(signal, (session) =>
        this.#postOnce(session, request, message, signal),
      );
    } catch (error) {
      if (!(error instanceof UnknownOutcomeError) || !error.sent) throw error;
      this.#unsettled.set(request.run, null);
      const late = (await this.#settle(request, signal)) ?? (await this.#find(request, signal));
      if (late !== null) return late;
      throw error;
    }
  }

  async readChangeState(request: ReadChangeState, signal: AbortSignal): Promise<ReviewedChange> {
    const { patchset: tested, label } = request;
    const seen = await this.#route.withSession(signal, (session) =>
      session.readReviewedChange(tested, label, signal),
    );
    const { host } = this.#route;
    if (seen === null) throw notShown(tested, host, READ);
    const { project, patchset, revision } = seen.change.patchset;
    if (project !== tested.project)
      throw wrongGerrit(tested, `in ${project} on ${host}, but ${tested.project} was tested`, READ);
    if (patchset < tested.patchset) throw notShown(tested, host, READ);
    if (patchset === tested.patchset && revision !== tested.revision) {
      throw wrongGerrit(tested, `${revision} on ${host}, but ${tested.revision} was tested`, READ);
    }
    const newest = [...seen.kinds].sort((a, b) => b.patchset - a.patchset).slice(0, KINDS_KEPT);
    return { ...seen, kinds: newest };
  }

  async readVotes(request: ReadVotes, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const votes = await this.#route.withSession(signal, (session) =>
      session.readVotes(request.patchset, signal),
    );
    if (votes === null) throw notShown(request.patchset, this.#route.host);
    return votes;
  }

  async #postOnce(
    session: ReviewSession,
    request: PostReview,
    message: string,
    signal: AbortSignal,
  ): Promise<PostOutcome> {
    const { patchset, tag } = request;
    const seen = await this.#readChange(session, patchset, signal);
    const { voted, why } = vote(request, seen);
    if (seen !== null && mentionsRun(seen, request)) return { posted: true, found: true, voted, why };
    if (request.onlyCurrent === true && isOutdated(request, seen)) throw outdated(patchset, why);
    const labels = voted ? request.labels : {};
    const answer = await session.review(patchset, { message, tag, labels }, signal);
    switch (answer.is) {
      case 'posted':
        return { posted: true, found: false, voted, why };
      case 'vote-rejected':
        return { posted: false, refused: answer.why };
      case 'closed':
        return this.#postWithoutVotes(session, request, message, answer.why, signal);
      case 'failed':
        throw answer.error;
      case 'perhaps-missing':
        throw seen === null ? answer.error : asRetryable(answer.error);
    }
  }

  /** Posts without votes: the change was closed after it was read, and Gerrit stored nothing. */
  async #postWithoutVotes(
    session: ReviewSession,
    { patchset, tag }: PostReview,
    message: string,
    why: string,
    signal: AbortSignal,
  ): Promise<PostOutcome> {
    const answer = await session.review(patchset, { message, tag, labels: {} }, signal);
    if (answer.is === 'posted') return { posted: true, found: false, voted: false, why };
    if ('error' in answer) throw answer.error;
    return { posted: false, refused: answer.why };
  }

  /**
   * The change with our messages; null while Gerrit does not show it. Throws when the number belongs to another change.
   */
  async #readChange(
    session: ReviewSession,
    patchset: Patchset,
    signal: AbortSignal,
  ): Promise<ChangeSnapshot | null> {
    const seen = await session.readChange(patchset, signal);
    if (seen === null) return null;
    const { host } = this.#route;
    if (seen.revision !== null && seen.revision !== patchset.revision) {
      throw wrongGerrit(patchset, `${seen.revision} on ${host}, but ${patchset.revision} was tested`);
    }
    if (seen.project !== patchset.project) {
      throw wrongGerrit(patchset, `in ${seen.project} on ${host}, but ${patchset.project} was tested`);
    }
    return seen;
  }

  /** Our message of this run, if Gerrit has it. */
  async #find(request: PostReview, signal: AbortSignal): Promise<PostOutcome | null> {
    const seen = await this.#route.withSession(signal, (session) =>
      this.#readChange(session, request.patchset, signal),
    );
    if (seen === null || !mentionsRun(seen, request)) return null;
    return { posted: true, found: true, ...vote(request, seen) };
  }

  /** Waits until an interrupted request can no longer arrive. Returns its outcome if it has already arrived. */
  async #settle(request: PostReview, signal: AbortSignal): Promise<PostOutcome | null> {
    const { run } = request;
    let settledAt = this.#unsettled.get(run);
    if (settledAt === undefined) return null;
    if (settledAt === null) {
      const arrived = await this.#find(request, signal);
      settledAt = this.#clock.monotonic() + this.#settleMs;
      this.#unsettled.set(run, settledAt);
      if (arrived !== null) return this.#settled(run, arrived);
    }
    const leftMs = settledAt - this.#clock.monotonic();
    await sleep(leftMs, signal, this.#clock);
    if (signal.aborted) throw stopped(run);
    return this.#settled(run, null);
  }

  #settled(run: string, outcome: PostOutcome | null): PostOutcome | null {
    this.#unsettled.delete(run);
    return outcome;
  }
}

/**
 * Decides whether the vote is sent. Also applies to a message found on the change: patchset numbers only grow, so a
 * patchset that is current now was current when the message was posted.
 */
function vote(
  { labels, patchset }: PostReview,
  seen: ChangeSnapshot | null,
): { readonly voted: boolean; readonly why: string } {
  // An explicit 0 removes a vote.
  if (Object.keys(labels).length === 0) return { voted: false, why: '' };
  if (seen === null || seen.current === null) {
    return { voted: false, why: 'Gerrit does not show which patchset is the current one' };
  }
  if (!seen.open) return { voted: false, why: 'the change is closed' };
  if (seen.current === patchset.patchset) return { voted: true, why: '' };
  const why = `patchset ${patchset.patchset} is not the current one (${seen.current}) any more`;
  return { voted: false, why };
}

function isOutdated({ patchset }: PostReview, seen: ChangeSnapshot | null): boolean {
  return seen?.open === true && seen.current !== null && seen.current > patchset.patchset;
}

/**
 * Maximum number of patchset kinds returned: votes are copied over few patchsets, and each kind is stored in a log row.
 */
const KINDS_KEPT = 100;
/** The operation of `readChangeState` in its errors. */
const READ = 'read change';

/**
 * Whether one of our messages contains the run's id as a whole word. Where Gerrit shows tags, a quote of it posted from
 * our account has a different tag.
 */
function mentionsRun(seen: ChangeSnapshot, { run, tag }: PostReview): boolean {
  return seen.ours.some((own) => (own.tag === null || own.tag === tag) && containsWord(own.message, run));
}

function containsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text[at + word.length] ?? ' ';
    if (!WORD.test(before) && !WORD.test(after)) return true;
  }
  return false;
}

/** Characters of an id, so that `a` does not match in `a-2` or `a:start`. */
const WORD = /[A-Za-z0-9_:-]/;

function wrongGerrit(patchset: Patchset, what: string, operation = 'post review'): OperationError {
  return new OperationError({
    operation,
    target: formatPatchset(patchset),
    message: `${formatPatchset(patchset)} is ${what}`,
    retryable: false,
    hint: 'this is not the Gerrit that the patchset came from, or it was restored from a backup',
  });
}

function outdated(patchset: Patchset, why: string): OperationError {
  return new OperationError({
    operation: 'post review',
    target: formatPatchset(patchset),
    message: why,
    retryable: true,
    hint: 'the vote is computed again for the newer patchset',
  });
}

function notShown(patchset: Patchset, host: string, operation = 'read votes'): OperationError {
  return new OperationError({
    operation,
    target: formatPatchset(patchset),
    message: `${host} does not show ${formatPatchset(patchset)}`,
    retryable: true,
    hint: 'the change is gone, or this account may not read it',
  });
}

function stopped(run: string): OperationError {
  return new OperationError({
    operation: 'post review',
    target: run,
    message: 'stopped while waiting for an earlier request to settle',
    retryable: true,
    hint: 'sos-ci retries automatically',
  });
}
