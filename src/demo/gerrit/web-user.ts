/**
 * Somebody at Gerrit's web page, for tests and the demo: says something, votes, abandons, edits. Every act goes the way
 * of the SSH commands and makes the same events.
 */
import { addHashtags, deleteVote, setPrivate, setTopic, setWorkInProgress } from './change-edits.ts';
import { moveChange, postReview, type ReviewInput, submitChange } from './review.ts';
import type { ChangeRecord, GerritAccount, Site } from './state.ts';
import { currentPatchset } from './state.ts';

export class Person {
  readonly #site: Site;
  readonly #account: GerritAccount;
  readonly #find: (change: number) => ChangeRecord;

  constructor(site: Site, account: GerritAccount, find: (change: number) => ChangeRecord) {
    this.#site = site;
    this.#account = account;
    this.#find = find;
  }

  /** On the newest patchset. */
  review(change: number, input: Partial<ReviewInput>): void {
    const record = this.#find(change);
    const whole = { message: '', labels: {}, tag: '', comments: {}, ...input };
    postReview(this.#site, this.#account, record, currentPatchset(record), whole);
  }

  abandon(change: number, reason = ''): void {
    moveChange(this.#site, this.#account, this.#find(change), 'abandon', reason);
  }

  restore(change: number, reason = ''): void {
    moveChange(this.#site, this.#account, this.#find(change), 'restore', reason);
  }

  async submit(change: number): Promise<void> {
    await submitChange(this.#site, this.#account, this.#find(change));
  }

  setWorkInProgress(change: number, wip: boolean): void {
    setWorkInProgress(this.#site, this.#account, this.#find(change), wip);
  }

  setPrivate(change: number, isPrivate: boolean): void {
    setPrivate(this.#site, this.#account, this.#find(change), isPrivate);
  }

  setTopic(change: number, topic: string): void {
    setTopic(this.#site, this.#account, this.#find(change), topic);
  }

  addHashtags(change: number, tags: readonly string[]): void {
    addHashtags(this.#site, this.#account, this.#find(change), tags);
  }

  deleteVote(change: number, reviewer: string, label: string): void {
    const account = this.#site.accounts.get(reviewer);
    if (account === undefined) throw new Error(`no account ${reviewer}`);
    deleteVote(this.#site, this.#account, this.#find(change), account, label);
  }
}
