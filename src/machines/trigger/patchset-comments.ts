/**
 * Which patchset-level comments were posted with which message of a change. Gerrit's history has a message `(2 comments)` and,
 * apart from it, the comments: by SSH in their order but without times, by REST with times of whole seconds. Comments on
 * files count in the same number. What was decided before tells most of them apart. Where it does not, the newest
 * messages come first: a comment that is taken for a newer message may start a job again, one that is taken for an
 * older message would be lost.
 */
import type { Hash } from '../protocol/row.ts';
import {
  type EventFingerprint,
  fingerprintOf,
  near,
  type SeenEvent,
  votesIn,
  wordsOf,
} from './deduplication.ts';

/** A message of the history. */
export interface Message extends Omit<EventFingerprint, 'text'> {
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
  /** As in `EventFingerprint`. */
  readonly text: string;
  /** The patchset-level comments posted with it, oldest first. They count in place of the message's own words. */
  readonly comments: readonly string[];
}

/**
 * @param messages of one account on one patchset, oldest first
 * @param comments of that account on that patchset, oldest first
 * @param seen what was decided of that account on that patchset
 */
export function saidWith<M extends Message>(
  messages: readonly M[],
  comments: readonly PatchsetComment[],
  seen: readonly SeenEvent[],
  toleranceMs: number,
  hash: Hash,
): ReadonlyMap<M, Said> {
  const said = new Map<M, Said>();
  const pool = new Pool(timed(messages, comments), hash);
  const places = new Places<M>((message) => candidates(message, seen, toleranceMs));
  const own = ({ votes, written }: M): string => fingerprintOf(votes, wordsOf(written, hash), hash);
  const newestFirst = [...messages].reverse();
  for (const message of newestFirst.filter(({ hidden }) => hidden === 0)) {
    const text = own(message);
    places.settle(message, text);
    said.set(message, { text, comments: [] });
  }
  const unclear = newestFirst.filter(({ hidden }) => hidden > 0);
  for (const message of unclear) {
    for (const { text } of candidates(message, seen, toleranceMs)) {
      const found = pool.find(message, text);
      if ((found.length === 0 && text !== own(message)) || !places.take(message, text)) continue;
      pool.remove(found);
      said.set(message, { text, comments: textsOf(found) });
      break;
    }
  }
  const unknown = unclear.filter((message) => !said.has(message));
  for (const [message, found] of pool.share(unknown.reverse())) {
    const votes = votesIn(fingerprintOf(message.votes, '', hash));
    // It may have been told in words that Gerrit does not show, such as those of a comment that was deleted.
    const near = found.length > 0 ? null : places.free(message).find(({ text }) => votesIn(text) === votes);
    const words = found.length === 0 ? message.written : found.join('\n');
    const text = near?.text ?? fingerprintOf(message.votes, wordsOf(words, hash), hash);
    if (near) places.take(message, near.text);
    said.set(message, { text, comments: found });
  }
  return said;
}

/** Where all that the messages count are comments on the patchset, the order of the comments tells their times. */
function timed(
  messages: readonly Message[],
  comments: readonly PatchsetComment[],
): readonly PatchsetComment[] {
  // Anybody can write such a number: it is only believed where it adds up.
  if (messages.reduce((sum, { hidden }) => sum + hidden, 0) !== comments.length) return comments;
  const times = messages.flatMap(({ hidden, at }) => Array.from({ length: hidden }, () => at));
  return comments.map((one, index) => ({ ...one, at: one.at ?? times[index] ?? null }));
}

/** Which message stands for what was seen. One whose words are certain makes room where it has a choice. */
class Places<M extends Message> {
  readonly #candidates: (message: M) => readonly SeenEvent[];
  readonly #holders = new Map<SeenEvent, M>();
  readonly #certain = new Map<M, string>();

  constructor(candidates: (message: M) => readonly SeenEvent[]) {
    this.#candidates = candidates;
  }

  /** For a message whose fingerprint is certain. */
  settle(message: M, text: string): void {
    this.#certain.set(message, text);
    this.take(message, text);
  }

  /** False: there is nothing with this fingerprint that it could stand for. */
  take(message: M, text: string, tried = new Set<SeenEvent>()): boolean {
    return this.#candidates(message).some((one) => {
      if (one.text !== text || tried.has(one)) return false;
      tried.add(one);
      const holder = this.#holders.get(one);
      const certain = holder === undefined ? undefined : this.#certain.get(holder);
      if (holder !== undefined && (certain === undefined || !this.take(holder, certain, tried))) return false;
      this.#holders.set(one, message);
      return true;
    });
  }

  /** What no message stands for. */
  free(message: M): readonly SeenEvent[] {
    return this.#candidates(message).filter((one) => !this.#holders.has(one));
  }
}

/** What the message may be known by, the newest first. One whose id is known is known by that alone. */
function candidates(message: Message, seen: Iterable<SeenEvent>, toleranceMs: number): readonly SeenEvent[] {
  const all = [...seen];
  const same = message.id === undefined ? undefined : all.find(({ id }) => id === message.id);
  if (same !== undefined) return [same];
  return all
    .filter((one) => (message.id === undefined || one.id === undefined) && near(one, message, toleranceMs))
    .sort((one, other) => other.at - one.at);
}

function textsOf(comments: readonly PatchsetComment[]): readonly string[] {
  return comments.map(({ text }) => text);
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

  /** Those that make the message what it is known as; empty: none do. */
  find(message: Message, known: string): readonly PatchsetComment[] {
    const mine = this.#left.filter(({ at }) => at === null || at === message.at);
    for (let length = 1; length <= Math.min(message.hidden, TOGETHER); length += 1) {
      for (let from = mine.length - length; from >= 0; from -= 1) {
        const tried = mine.slice(from, from + length);
        const words = wordsOf(textsOf(tried).join('\n'), this.#hash);
        if (fingerprintOf(message.votes, words, this.#hash) === known) return tried;
      }
    }
    return [];
  }

  remove(comments: readonly PatchsetComment[]): void {
    this.#left = this.#left.filter((one) => !comments.includes(one));
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
  let left = textsOf(comments);
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
