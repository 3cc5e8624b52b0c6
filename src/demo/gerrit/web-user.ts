/**
 * A user of Gerrit's web page, for tests and the demo: comments, votes, abandons, edits. Every action sends the same events as
 * the SSH commands.
 */
import { addHashtags, deleteVote, setPrivate, setTopic, setWorkInProgress } from './change-edits.ts';
import { moveChange, postReview, type ReviewInput, submitChange } from './review.ts';
import type { ChangeRecord, GerritAccount, GerritState } from './state.ts';
import { currentPatchset } from './state.ts';

export class WebUser {
  readonly #state: GerritState;
  readonly #account: GerritAccount;
  readonly #find: (change: number) => ChangeRecord;

  constructor(state: GerritState, account: GerritAccount, find: (change: number) => ChangeRecord) {
    this.#state = state;
    this.#account = account;
    this.#find = find;
  }

  /** Reviews the newest patchset. */
  review(change: number, input: Partial<ReviewInput>): void {
    const record = this.#find(change);
    const fullInput = { message: '', labels: {}, tag: '', comments: {}, ...input };
    postReview(this.#state, this.#account, record, currentPatchset(record), fullInput);
  }

  abandon(change: number, reason = ''): void {
    moveChange(this.#state, this.#account, this.#find(change), 'abandon', reason);
  }

  restore(change: number, reason = ''): void {
    moveChange(this.#state, this.#account, this.#find(change), 'restore', reason);
  }

  async submit(change: number): Promise<void> {
    await submitChange(this.#state, this.#account, this.#find(change));
  }

  setWorkInProgress(change: number, wip: boolean): void {
    setWorkInProgress(this.#state, this.#account, this.#find(change), wip);
  }

  setPrivate(change: number, isPrivate: boolean): void {
    setPrivate(this.#state, this.#account, this.#find(change), isPrivate);
  }

  setTopic(change: number, topic: string): void {
    setTopic(this.#state, this.#account, this.#find(change), topic);
  }

  addHashtags(change: number, tags: readonly string[]): void {
    addHashtags(this.#state, this.#account, this.#find(change), tags);
  }

  deleteVote(change: number, reviewer: string, label: string): void {
    const account = this.#state.accounts.get(reviewer);
    if (account === undefined) throw new Error(`no account ${reviewer}`);
    deleteVote(this.#state, this.#account, this.#find(change), account, label);
  }
}
