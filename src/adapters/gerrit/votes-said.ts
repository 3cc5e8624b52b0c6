/**
 * The votes that one account's messages on one patchset add up to: each message opens with what it changed, and says
 * nothing of a vote that stayed as it was.
 */
import { votesInHeader } from '../../machines/rules/vote.ts';

/** @param texts of one account on one patchset, oldest first */
export function votesSaid(texts: readonly string[]): Readonly<Record<string, number>> {
  const votes = new Map<string, number>();
  for (const text of texts) {
    for (const { label, value } of votesInHeader(text)) {
      if (value === 0) votes.delete(label);
      else votes.set(label, value);
    }
  }
  return Object.fromEntries(votes);
}
