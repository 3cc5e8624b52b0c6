/**
 * Adds up the votes in one account's messages on one patchset. Gerrit begins each message with the votes that changed,
 * such as `Patch Set 3: Verified+1 -Code-Review`, and omits unchanged votes.
 */

const HEADER = /^Patch Set \d{1,9}:((?: [^\s]{1,120}){0,50})[ ]*(?:\n|$)/;
const GIVEN_VOTE = /^([A-Za-z][A-Za-z0-9-]*)([+-]\d{1,3})$/;
const REMOVED_VOTE = /^-([A-Za-z][A-Za-z0-9-]*)$/;

/** @param texts messages of one account on one patchset, oldest first */
export function votesInMessages(texts: readonly string[]): Readonly<Record<string, number>> {
  const votes = new Map<string, number>();
  for (const text of texts) {
    for (const word of (HEADER.exec(text)?.[1] ?? '').split(' ')) {
      const [, label, value] = GIVEN_VOTE.exec(word) ?? [];
      if (label !== undefined) votes.set(label, Number(value));
      const [, removed] = REMOVED_VOTE.exec(word) ?? [];
      if (removed !== undefined) votes.delete(removed);
    }
  }
  return Object.fromEntries(votes);
}
