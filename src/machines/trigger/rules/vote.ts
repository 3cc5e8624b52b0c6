/**
 * Votes cast with a comment. Gerrit sends an entry for every label with each comment; only the changed ones count, or
 * Zuul's next comment would start again what its vote has started.
 */
import type { AccountVote, RequiredVote } from '../../model/domain.ts';
import type { Account, GerritEvent } from '../../model/gerrit-event.ts';
import { isNamed } from './account.ts';

export type CommentEvent = Extract<GerritEvent, { type: 'comment-added' }>;

export interface CastVote {
  readonly label: string;
  readonly value: number;
  /** Null: unknown. */
  readonly oldValue: number | null;
}

/** A vote that starts a job. */
export interface VoteRule {
  readonly label: string;
  /** Exactly this value; null: any value of at least `min`. */
  readonly value: number | null;
  readonly min: number | null;
  /** Patterns for the voter's account. */
  readonly by: readonly string[];
  /** Allowed previous values; empty: any. */
  readonly from: readonly number[];
}

/** Entries with an old value; if the server sends none, the votes in the comment's header. */
export function votesCast({
  approvals,
  comment,
}: Pick<CommentEvent, 'approvals' | 'comment'>): readonly CastVote[] {
  const changed = approvals.filter(({ oldValue }) => oldValue !== null);
  if (changed.length > 0) return changed.filter(({ value, oldValue }) => value !== oldValue);
  return votesInHeader(comment);
}

/** `Patch Set 3: Verified+1 -Code-Review`: the votes that this comment changed or removed. */
export function votesInHeader(comment: string): readonly CastVote[] {
  const header = /^Patch Set \d+:([^\n]*)/u.exec(comment)?.[1] ?? '';
  const votes: CastVote[] = [];
  for (const word of header.split(/\s+/u)) {
    const removed = /^-([A-Za-z][\w-]*)$/u.exec(word)?.[1];
    const [, label, value] = /^([A-Za-z][\w-]*)([+-]\d{1,4})$/u.exec(word) ?? [];
    if (removed !== undefined) votes.push({ label: removed, value: 0, oldValue: null });
    else if (label !== undefined) votes.push({ label, value: Number(value), oldValue: null });
    else if (word !== '') break;
  }
  return votes;
}

export function fits(vote: CastVote, by: Account, rule: VoteRule): boolean {
  if (vote.label !== rule.label || !isNamed(by, rule.by)) return false;
  if (rule.value !== null ? vote.value !== rule.value : vote.value < (rule.min ?? Number.POSITIVE_INFINITY)) {
    return false;
  }
  return rule.from.length === 0 || (vote.oldValue !== null && rule.from.includes(vote.oldValue));
}

/** For example `Verified+1`. */
export function voteText({ label, value }: Pick<CastVote, 'label' | 'value'>): string {
  return `${label}${value < 0 ? '' : '+'}${value}`;
}

/**
 * The votes in a comment that matter to a review that waits for another CI. The review decides whether a vote is
 * sufficient or a veto.
 */
export function votesFor(required: RequiredVote, event: CommentEvent): readonly AccountVote[] {
  if (event.by.username !== required.account) return [];
  return votesCast(event)
    .filter(({ label }) => label === required.label)
    .map(({ label, value }) => ({ account: required.account, label, value }));
}
