/**
 * Posts reviews over REST. The HTTP status decides what an answer means. Messages are ours when they have our account
 * id (names can change) and our tag. A review addresses the tested commit, so it cannot land on another one.
 */
import type { ReviewedChange } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import type { Patchset } from '../../../machines/model/domain.ts';
import { toCurrentChange } from '../changes/current-change.ts';
import { parseQueryRow } from '../changes/query-row.ts';
import { type Info, objectOf, rowOf } from '../history/pages-rest.ts';
import { votesInMessages } from '../history/votes-from-messages.ts';
import { isOpen } from '../transport/query.ts';
import type { RestAnswer, RestClient, RestRequest } from '../transport/rest-client.ts';
import { firstLine, statusFailure } from '../transport/rest-failure.ts';
import {
  change,
  info,
  isJson,
  type RestChange,
  type RestMessage,
  readJson,
  self,
} from '../transport/rest-schemas.ts';
import { UnknownOutcomeError } from '../transport/unknown-outcome.ts';
import {
  asRetryable,
  type ChangeSnapshot,
  formatPatchset,
  type ReviewAnswer,
  type ReviewInput,
  type ReviewSession,
  type ReviewTransport,
} from './transport.ts';

/** Query options for the current state of a change: the kinds of all patchsets and the files of the current one. */
const REVIEWED_CHANGE_OPTIONS = [
  'ALL_REVISIONS',
  'CURRENT_COMMIT',
  'CURRENT_FILES',
  'DETAILED_ACCOUNTS',
  'DETAILED_LABELS',
];
/** Statuses after which Gerrit may still have stored the review: an internal failure, or a proxy that gave up. */
const UNKNOWN_OUTCOME_STATUSES = [408, 500, 502, 504];
/**
 * The vote is not permitted (403), or the label or value is not configured (400). A 400 with another cause is repeated
 * by the review without votes.
 */
const VOTE_REJECTED_STATUSES = [400, 403];
/** Refusals that an operator can fix: credentials, permissions, a moved URL. */
const RETRYABLE_STATUSES = [301, 302, 303, 307, 308, 401, 403];

export class RestReviews implements ReviewTransport {
  readonly #client: RestClient;
  readonly #options: { readonly url: string; readonly filesLimit: number };
  #self: Promise<number> | null = null;

  /** @param options the URL of Gerrit's pages, and the maximum number of files listed per patchset */
  constructor(client: RestClient, options: { readonly url: string; readonly filesLimit: number }) {
    this.#client = client;
    this.#options = options;
  }

  get host(): string {
    return this.#client.host;
  }

  /** Requests are queued one by one, so a session holds no resource. */
  withSession<T>(_signal: AbortSignal, work: (session: ReviewSession) => Promise<T>): Promise<T> {
    return work({
      readChange: (patchset, signal) => this.#readChange(patchset, signal),
      review: (patchset, input, signal) => this.#review(patchset, input, signal),
      readReviewedChange: (patchset, name, signal) => this.#readReviewedChange(patchset, name, signal),
      readVotes: (patchset, signal) => this.#votes(patchset, signal),
    });
  }

  async #readChange(patchset: Patchset, signal: AbortSignal): Promise<ChangeSnapshot | null> {
    const found = await this.#change(patchset, ['MESSAGES', 'CURRENT_REVISION'], signal);
    if (found === null) return null;
    const account = await this.#account(signal);
    const { current_revision: revision, revisions } = found;
    const current = revisions?.[revision ?? '']?._number ?? null;
    return {
      project: found.project,
      current,
      revision: current === patchset.patchset ? (revision ?? null) : null,
      open: isOpen(found.status),
      ours: ourMessages(found, account).map(({ text, tag }) => ({ message: text, tag })),
    };
  }

  async #review(patchset: Patchset, input: ReviewInput, signal: AbortSignal): Promise<ReviewAnswer> {
    const path = `${pathOf(patchset)}/revisions/${patchset.revision}/review`;
    const answer = await this.#request({ method: 'POST', path, body: input }, signal);
    const voted = Object.keys(input.labels).length > 0;
    const error = statusFailure('post review', formatPatchset(patchset), answer);
    if (answer.status === 200 && isJson(answer.text)) return { is: 'posted' };
    // A 200 that is not JSON may be another server's page; it does not say whether the review was stored.
    if (answer.status === 200) throw new UnknownOutcomeError({ ...notGerrit(error), cause: error }, true);
    if (UNKNOWN_OUTCOME_STATUSES.includes(answer.status)) throw new UnknownOutcomeError(error, true);
    if (voted && VOTE_REJECTED_STATUSES.includes(answer.status))
      return { is: 'vote-rejected', why: firstLine(answer.text) };
    if (voted && answer.status === 409) return { is: 'closed', why: firstLine(answer.text) };
    if (answer.status === 404) return { is: 'perhaps-missing', error };
    return { is: 'failed', error: retryableIfFixable(error, answer) };
  }

  /** REST returns votes on the current patchset only. Votes on older patchsets come from our messages. */
  async #votes(patchset: Patchset, signal: AbortSignal): Promise<Readonly<Record<string, number>> | null> {
    const parts = ['DETAILED_LABELS', 'CURRENT_REVISION', 'MESSAGES'];
    const found = await this.#change(patchset, parts, signal);
    if (found === null) return null;
    const account = await this.#account(signal);
    if (found.current_revision !== patchset.revision) {
      const own = ourMessages(found, account).filter((message) => message.patchset === patchset.patchset);
      return votesInMessages(own.map(({ text }) => text));
    }
    const votes = Object.entries(found.labels ?? {}).map(([name, { all }]) => {
      return [name, all?.find(({ _account_id }) => _account_id === account)?.value ?? 0] as const;
    });
    return Object.fromEntries(votes);
  }

  async #readReviewedChange(
    patchset: Patchset,
    name: string,
    signal: AbortSignal,
  ): Promise<ReviewedChange | null> {
    const path = `${pathOf(patchset)}?${REVIEWED_CHANGE_OPTIONS.map((part) => `o=${part}`).join('&')}`;
    const answer = await this.#request({ method: 'GET', path, body: null }, signal);
    if (answer.status === 404) return null;
    const target = formatPatchset(patchset);
    const text = this.#textOf('look up change', answer);
    const shown = readJson(text, info, target);
    const { labels, revisions } = readJson(text, change, target);
    const row = parseQueryRow(rowWithFiles(shown, this.#options.url), target);
    const now = toCurrentChange(row, target, this.#options.filesLimit);
    const account = await this.#account(signal);
    const ours = labels?.[name]?.all?.find(({ _account_id }) => _account_id === account);
    const kinds = Object.values(revisions ?? {}).map(({ _number, kind }) => ({ patchset: _number, kind }));
    return { change: now, vote: ours?.value ?? 0, kinds };
  }

  /** Null when Gerrit does not show the change. */
  async #change(
    patchset: Patchset,
    parts: readonly string[],
    signal: AbortSignal,
  ): Promise<RestChange | null> {
    const path = `${pathOf(patchset)}?${parts.map((part) => `o=${part}`).join('&')}`;
    const answer = await this.#request({ method: 'GET', path, body: null }, signal);
    if (answer.status === 404) return null;
    return readJson(this.#textOf('look up change', answer), change, formatPatchset(patchset));
  }

  /** Our account id, fetched once. */
  #account(signal: AbortSignal): Promise<number> {
    this.#self ??= this.#fetchSelf(signal).catch((error: unknown) => {
      this.#self = null;
      throw error;
    });
    return this.#self;
  }

  async #fetchSelf(signal: AbortSignal): Promise<number> {
    const answer = await this.#request({ method: 'GET', path: 'accounts/self', body: null }, signal);
    const { _account_id } = readJson(this.#textOf('read own account', answer), self, this.#client.target);
    return _account_id;
  }

  /**
   * Makes failures before the request is sent retryable: an operator can fix the URL, the certificate or the password
   * file.
   */
  async #request(request: RestRequest, signal: AbortSignal): Promise<RestAnswer> {
    try {
      return await this.#client.request(request, signal);
    } catch (error) {
      if (!(error instanceof OperationError) || (error instanceof UnknownOutcomeError && error.sent))
        throw error;
      throw asRetryable(error);
    }
  }

  #textOf(operation: string, answer: RestAnswer): string {
    if (answer.status === 200) return answer.text;
    throw retryableIfFixable(statusFailure(operation, this.#client.target, answer), answer);
  }
}

/** In the form of `gerrit query --files`. */
function rowWithFiles(shown: Info, site: string): Info {
  const row = rowOf(shown, {}, site);
  const { files, commit } = objectOf(objectOf(shown.revisions)[String(shown.current_revision)]);
  const listed = Object.entries(objectOf(files)).map(([file, entry]) => {
    const { old_path: fileOld } = objectOf(entry);
    return { file, ...(fileOld === undefined ? {} : { fileOld }) };
  });
  const { parents } = objectOf(commit);
  return { ...row, currentPatchSet: { ...objectOf(row.currentPatchSet), parents, files: listed } };
}

function notGerrit({ operation, target }: OperationError) {
  const message = 'the answer does not come from Gerrit';
  const hint = 'check that gerrit.rest.url is not a proxy or another program; sos-ci retries automatically';
  return { operation, target, message, retryable: true, hint };
}

/** Makes refusals that an operator can fix retryable, so that the review is not lost. */
function retryableIfFixable(error: OperationError, { status }: RestAnswer): OperationError {
  return RETRYABLE_STATUSES.includes(status) ? asRetryable(error) : error;
}

function ourMessages(found: RestChange, account: number): readonly RestMessage[] {
  return (found.messages ?? []).filter(({ accountId }) => accountId === account);
}

function pathOf({ project, change: number }: Patchset): string {
  return `changes/${encodeURIComponent(project)}~${number}`;
}
