/**
 * Which patchset-level comments were posted with which message of a change. Gerrit's history has a message `(2 comments)` and,
 * apart from it, the comments: by SSH in their order but without times, by REST with times of whole seconds. Comments on
 * files count in the same number. What was decided upon before tells most of them apart. Where it does not, the newest
 * messages come first: a comment that is taken for a newer message may start a job again, one that is taken for an
 * older message would be lost.
 */
import type { Hash } from './row.ts';
import { fingerprintOf, near, type Seen, type Sighting, votesIn, wordsOf } from './seen.ts';

/** A message of the history. */
export interface Message extends Omit<Sighting, 'text'> {
  readonly votes: readonly { readonly label: string; readonly value: number }[];
  /** What the message itself holds below its header. */
  readonly written: string;
  /** How many comments were posted with it that it does not show. */
  readonly hidden: number;
}

/** A comment on a patchset as a whole. */
export interface PatchsetComment {
  readonly account: string;
  readonly patchset: number;
  /** Epoch ms, of whole seconds; null: not told. */
  readonly at: number | null;
  readonly text: string;
}

/** What was said with a message. */
export interface Said {
  /** As in `Sighting`. */
  readonly text: string;
  /** The patchset-level comments posted with it, oldest first. They count in place of the message's own words. */
  readonly comments: readonly string[];
}

/**
 * @param messages of one account on one patchset, oldest first
 * @param comments of that account on that patchset, oldest first
 * @param seen what was decided upon of that account on that patchset
 */
export function saidWith<M extends Message>(
  messages: readonly M[],
  comments: readonly PatchsetComment[],
  seen: readonly Seen[],
  toleranceMs: number,
  hash: Hash,
): ReadonlyMap<M, Said> {
  const said = new Map<M, Said>();
  const left = new Set(seen);
  const pool = new Pool(comments, hash);
  const own = ({ votes, written }: M): string => fingerprintOf(votes, wordsOf(written, hash), hash);
  /** Takes the first of what is left that `judge` accepts, nearest in time first. */
  const settle = (message: M, judge: (text: string) => readonly string[] | null): void => {
    for (const one of candidates(message, left, toleranceMs)) {
      const found = judge(one.text);
      if (found === null) continue;
      left.delete(one);
      said.set(message, { text: one.text, comments: found });
      return;
    }
  };
  const newestFirst = [...messages].reverse();
  for (const message of newestFirst.filter(({ hidden }) => hidden === 0)) {
    const text = own(message);
    settle(message, (known) => (known === text ? [] : null));
    said.set(message, { text, comments: [] });
  }
  for (const message of newestFirst.filter(({ hidden }) => hidden > 0)) {
    settle(message, (known) => pool.take(message, known) ?? (known === own(message) ? [] : null));
  }
  // What is left and near was told in words that Gerrit does not show, such as those of a comment that was deleted.
  const unclear = (): M[] => newestFirst.filter((message) => !said.has(message));
  for (const message of unclear()) {
    const votes = votesIn(fingerprintOf(message.votes, '', hash));
    settle(message, (known) => (votesIn(known) === votes ? [] : null));
  }
  for (const [message, found] of pool.share(unclear().reverse())) {
    const words = found.length === 0 ? message.written : found.join('\n');
    said.set(message, { text: fingerprintOf(message.votes, wordsOf(words, hash), hash), comments: found });
  }
  return said;
}

/** What the message may be known by. One whose id is known is known by that alone. */
function candidates(message: Message, left: ReadonlySet<Seen>, toleranceMs: number): readonly Seen[] {
  const all = [...left];
  const same = message.id === undefined ? undefined : all.find(({ id }) => id === message.id);
  if (same !== undefined) return [same];
  const distance = ({ at }: Seen): number => Math.abs(at - message.at);
  return all
    .filter((one) => (message.id === undefined || one.id === undefined) && near(one, message, toleranceMs))
    .sort((one, other) => distance(one) - distance(other));
}

/** Comments of one message that are tried together. */
const TOGETHER = 3;

/** The comments that no message is known for yet. */
class Pool {
  #left: readonly PatchsetComment[];
  readonly #hash: Hash;

  constructor(comments: readonly PatchsetComment[], hash: Hash) {
    this.#left = comments;
    this.#hash = hash;
  }

  /** Takes those out that make the message what it is known as. */
  take(message: Message, known: string): readonly string[] | null {
    const mine = this.#left.filter(({ at }) => at === null || at === message.at);
    for (let length = 1; length <= Math.min(message.hidden, TOGETHER); length += 1) {
      for (let from = mine.length - length; from >= 0; from -= 1) {
        const tried = mine.slice(from, from + length);
        const texts = tried.map(({ text }) => text);
        const words = wordsOf(texts.join('\n'), this.#hash);
        if (fingerprintOf(message.votes, words, this.#hash) !== known) continue;
        this.#left = this.#left.filter((one) => !tried.includes(one));
        return texts;
      }
    }
    return null;
  }

  /** Gives all that are left to these messages, oldest first. */
  share<M extends Message>(messages: readonly M[]): ReadonlyMap<M, readonly string[]> {
    const timed = this.#left.some(({ at }) => at !== null);
    if (!timed) return new Map(distribute(messages, this.#left));
    const seconds = [...new Set(messages.map(({ at }) => at))];
    return new Map(
      seconds.flatMap((second) =>
        distribute(
          messages.filter(({ at }) => at === second),
          this.#left.filter(({ at }) => at === second),
        ),
      ),
    );
  }
}

/** By the messages' own numbers where they add up. Else each gets one, the newest first, and the newest what is more. */
function distribute<M extends Message>(
  messages: readonly M[],
  comments: readonly PatchsetComment[],
): readonly (readonly [M, readonly string[]])[] {
  let left = comments.map(({ text }) => text);
  const shares = [...messages.entries()].reverse().map(([older, message]): [M, readonly string[]] => {
    const total = messages.slice(0, older + 1).reduce((sum, { hidden }) => sum + hidden, 0);
    const wanted = total <= left.length ? message.hidden : Math.max(1, left.length - older);
    const size = Math.min(wanted, message.hidden, left.length);
    const share = left.slice(left.length - size);
    left = left.slice(0, left.length - size);
    return [message, share];
  });
  return shares;
}
