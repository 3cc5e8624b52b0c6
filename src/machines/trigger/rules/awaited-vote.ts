/**
 * Votes for reviews that wait for another CI: a new vote is forwarded to each review that waits for it. The review
 * decides whether the vote is sufficient or a veto.
 */
import type { AccountVote, HoldSpec } from '../../model/domain.ts';
import { type CommentEvent, votesCast } from './vote.ts';

/** The votes in a comment that are relevant to a review with this hold. */
export function votesFor(hold: HoldSpec, event: CommentEvent): readonly AccountVote[] {
  if (event.by.username !== hold.account) return [];
  return votesCast(event)
    .filter(({ label }) => label === hold.label)
    .map(({ label, value }) => ({ account: hold.account, label, value }));
}
