/**
 * Posts reviews over SSH with `gerrit query` and `gerrit review --json`. Shares the query connection, because a
 * handshake takes longer than a review. When that connection turns out to be dead, queries are repeated over a new one;
 * reviews are not. The message is JSON on standard input, so it never reaches a shell or command line. SSH answers do
 * not show message tags, so our messages are recognized by author and text.
 */
import type { ReviewedChange } from '../../../engine/ports/adapters.ts';
import type { Patchset } from '../../../machines/model/domain.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { toCurrentChange } from '../changes/current-change.ts';
import { parseQueryRow } from '../changes/query-row.ts';
import {
  type ChangeRow,
  isOpen,
  patchSetOf,
  queryChange,
  queryError,
  queryRows,
} from '../transport/query.ts';
import type { SharedConnection } from '../transport/shared-connection.ts';
import { runGerrit } from '../transport/ssh-command.ts';
import type { GerritOptions } from '../transport/ssh-connection.ts';
import { parseReviewResponse } from './ssh-response.ts';
import {
  type ChangeSnapshot,
  formatPatchset,
  type ReviewAnswer,
  type ReviewInput,
  type ReviewSession,
  type ReviewTransport,
} from './transport.ts';

export class SshReviews implements ReviewTransport {
  readonly host: string;
  readonly #options: GerritOptions;
  readonly #account: string;
  readonly #shared: SharedConnection;

  /** @param account our Gerrit username, which identifies our messages and votes */
  constructor(options: GerritOptions, account: string, shared: SharedConnection) {
    this.host = options.host;
    this.#options = options;
    this.#account = account;
    this.#shared = shared;
  }

  async withSession<T>(signal: AbortSignal, work: (session: ReviewSession) => Promise<T>): Promise<T> {
    const outcome = await this.#shared.run(signal, async (connection) => {
      let sent = false;
      const session = this.#sessionOn(connection);
      const once: ReviewSession['review'] = (...args) => {
        sent = true;
        return session.review(...args);
      };
      try {
        return { value: await work({ ...session, review: once }) };
      } catch (error) {
        if (!sent) throw error;
        // Returned rather than thrown, so that it is not repeated.
        return { error };
      }
    });
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  #sessionOn(connection: SshClient): ReviewSession {
    const query = (
      change: number,
      parts: Parameters<typeof queryChange>[3],
      signal: AbortSignal,
    ): Promise<ChangeRow | null> => queryChange(connection, this.#options, change, parts, signal);
    return {
      readChange: async (patchset, signal) => {
        const row = await query(patchset.change, ['--comments', '--current-patch-set'], signal);
        return row === null ? null : this.#snapshotOf(row, patchset);
      },
      review: (patchset, input, signal) => this.#review(connection, patchset, input, signal),
      readReviewedChange: ({ change }, label, signal) =>
        this.#readReviewedChange(connection, change, label, signal),
      readVotes: async ({ change, patchset }, signal) => {
        let row = await query(change, ['--current-patch-set'], signal);
        if (row !== null && patchSetOf(row, patchset) === null) {
          row = await query(change, ['--all-approvals'], signal);
        }
        const set = row === null ? null : patchSetOf(row, patchset);
        if (set === null) return null;
        const ours = (set.approvals ?? []).filter(({ by }) => by.username === this.#account);
        return Object.fromEntries(
          ours.map(({ type, description, value }) => [type ?? description, value ?? 0]),
        );
      },
    };
  }

  /** Two queries: in a single one, Gerrit would list the files of every patchset along with the kinds. */
  async #readReviewedChange(
    connection: SshClient,
    change: number,
    label: string,
    signal: AbortSignal,
  ): Promise<ReviewedChange | null> {
    const target = `change ${change} on ${this.host}`;
    const parts = ['--current-patch-set', '--files'] as const;
    const request = { target, terms: `change:${change}`, parts };
    const { rows } = await queryRows(connection, this.#options, request, signal);
    const row = rows.map((json) => parseQueryRow(json, target)).find(({ number }) => number === change);
    if (row === undefined) return null;
    const now = toCurrentChange(row, target, this.#options.maxFiles);
    const known = await queryChange(connection, this.#options, change, ['--patch-sets'], signal);
    const kinds = (known?.patchSets ?? []).map(({ number, kind }) => ({ patchset: number, kind }));
    if (Math.max(0, ...kinds.map(({ patchset }) => patchset)) !== now.patchset.patchset) {
      throw queryError(target, 'a patchset was uploaded meanwhile', true);
    }
    const ours = now.votes.find((vote) => vote.account === this.#account && vote.label === label);
    return { change: now, vote: ours?.value ?? 0, kinds };
  }

  #snapshotOf(row: ChangeRow, patchset: Patchset): ChangeSnapshot {
    const ours = (row.comments ?? []).filter(({ reviewer }) => reviewer.username === this.#account);
    return {
      project: row.project ?? patchset.project,
      current: row.currentPatchSet?.number ?? null,
      revision: patchSetOf(row, patchset.patchset)?.revision ?? null,
      open: isOpen(row.status),
      ours: ours.map(({ message }) => ({ message, tag: null })),
    };
  }

  /**
   * Addressed by change and patchset, since a commit can belong to several changes. The revision was checked before.
   */
  async #review(
    connection: SshClient,
    patchset: Patchset,
    input: ReviewInput,
    signal: AbortSignal,
  ): Promise<ReviewAnswer> {
    const target = formatPatchset(patchset);
    const { status, stderr } = await runGerrit(
      connection,
      {
        argv: ['gerrit', 'review', '--json', '--project', patchset.project, target],
        stdin: JSON.stringify(input),
        timeoutMs: this.#options.commandTimeoutMs,
        maxStdoutBytes: this.#options.maxResponseBytes,
      },
      signal,
    );
    return parseReviewResponse(status, stderr, target, Object.keys(input.labels).length > 0);
  }
}
