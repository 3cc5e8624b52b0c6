/**
 * Reviews that wait for another CI's vote: a vote that is cast is told to the ones that wait for it. Whether it is good enough,
 * or speaks against the patch, is for the review to say.
 */
import type { HoldSpec, StandingVote } from '../../model/domain.ts';
import { type CommentEvent, votesCast } from './vote.ts';

/** The votes in a comment that a review with this hold must hear of. */
export function votesFor(hold: HoldSpec, event: CommentEvent): readonly StandingVote[] {
  if (event.by.username !== hold.account) return [];
  return votesCast(event)
    .filter(({ label }) => label === hold.label)
    .map(({ label, value }) => ({ account: hold.account, label, value }));
}
