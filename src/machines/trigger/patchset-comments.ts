/**
 * Finds the patchset-level comments that were posted with each message of a change. Gerrit's history has a message with
 * `(2 comments)` and, separately, the comments: over SSH in order but without times, over REST with times in whole
 * seconds. The number includes comments on files. Events that were decided before identify most messages. For the rest,
 * comments are assigned to the newest messages first: assigned too new, a comment may start a job twice; assigned too
 * old, it would be lost.
 */
import type { Hash } from '../protocol/row.ts';
import {
  type EventFingerprint,
  fingerprintOf,
  near,
  type SeenEvent,
  textHash,
  votesIn,
} from './deduplication.ts';

/** A message of the history. */
export interface Message extends Omit<EventFingerprint, 'text'> {
  readonly votes: readonly { readonly label: string; readonly value: number }[];
  /** The message's own text below its header. */
  readonly written: string;
  /** How many comments were posted with the message but are not part of it. */
  readonly hidden: number;
}

/** A comment on a patchset as a whole. */
export interface PatchsetComment {
  readonly account: string;
  readonly patchset: number;
  /** Epoch ms, of whole seconds; null: unknown. */
  readonly at: number | null;
  readonly text: string;
}

/** The text of a message and its comments. */
export interface MessageText {
  /** As in `EventFingerprint`. */
  readonly text: string;
  /** The patchset-level comments posted with it, oldest first. They replace the message's own text. */
  readonly comments: readonly string[];
}

/**
 * @param messages of one account on one patchset, oldest first
 * @param comments of that account on that patchset, oldest first
 * @param seen the decided events of that account on that patchset
 */
export function matchComments<M extends Message>(
  messages: readonly M[],
  comments: readonly PatchsetComment[],
  seen: readonly SeenEvent[],
  toleranceMs: number,
  hash: Hash,
): ReadonlyMap<M, MessageText> {
  const texts = new Map<M, MessageText>();
  const pool = new Pool(timed(messages, comments), hash);
  const assignments = new Assignments<M>((message) => candidates(message, seen, toleranceMs));
  const own = ({ votes, written }: M): string => fingerprintOf(votes, textHash(written, hash), hash);
  const newestFirst = [...messages].reverse();
  for (const message of newestFirst.filter(({ hidden }) => hidden === 0)) {
    const text = own(message);
    assignments.settle(message, text);
    texts.set(message, { text, comments: [] });
  }
  const unclear = newestFirst.filter(({ hidden }) => hidden > 0);
  for (const message of unclear) {
    for (const { text } of candidates(message, seen, toleranceMs)) {
      const found = pool.find(message, text);
      if ((found.length === 0 && text !== own(message)) || !assignments.take(message, text)) continue;
      pool.remove(found);
      texts.set(message, { text, comments: textsOf(found) });
      break;
    }
  }
  const unknown = unclear.filter((message) => !texts.has(message));
  for (const [message, found] of pool.share(unknown.reverse())) {
    const votes = votesIn(fingerprintOf(message.votes, '', hash));
    // The stream may have sent text that Gerrit no longer shows, for example of a deleted comment.
    const candidate =
      found.length > 0 ? null : assignments.free(message).find(({ text }) => votesIn(text) === votes);
    const comparedText = found.length === 0 ? message.written : found.join('\n');
    const text = candidate?.text ?? fingerprintOf(message.votes, textHash(comparedText, hash), hash);
    if (candidate) assignments.take(message, candidate.text);
    texts.set(message, { text, comments: found });
  }
  return texts;
}

/** If the messages count exactly as many comments as there are on the patchset, their order gives their times. */
function timed(
  messages: readonly Message[],
  comments: readonly PatchsetComment[],
): readonly PatchsetComment[] {
  // Anyone can type such a number, so it is only used if the sum matches.
  if (messages.reduce((sum, { hidden }) => sum + hidden, 0) !== comments.length) return comments;
  const times = messages.flatMap(({ hidden, at }) => Array.from({ length: hidden }, () => at));
  return comments.map((one, index) => ({ ...one, at: one.at ?? times[index] ?? null }));
}

/**
 * Assigns messages to seen events. A message whose fingerprint is certain moves to another event if it has an
 * alternative.
 */
class Assignments<M extends Message> {
  readonly #candidates: (message: M) => readonly SeenEvent[];
  readonly #holders = new Map<SeenEvent, M>();
  readonly #certain = new Map<M, string>();

  constructor(candidates: (message: M) => readonly SeenEvent[]) {
    this.#candidates = candidates;
  }

  /** Assigns a message whose fingerprint is certain. */
  settle(message: M, text: string): void {
    this.#certain.set(message, text);
    this.take(message, text);
  }

  /** False: no seen event with this fingerprint is free for the message. */
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

  /** Candidates of the message that are not assigned. */
  free(message: M): readonly SeenEvent[] {
    return this.#candidates(message).filter((one) => !this.#holders.has(one));
  }
}

/**
 * The seen events that may be this message, newest first. If the message's id is known, only the event with that id.
 */
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

/** How many comments of one message are tried in combination. */
const MAX_COMBINED = 3;

/** The comments that are not assigned to a message yet. */
class Pool {
  #left: readonly PatchsetComment[];
  readonly #hash: Hash;

  constructor(comments: readonly PatchsetComment[], hash: Hash) {
    this.#left = comments;
    this.#hash = hash;
  }

  /** The comments whose text gives the message's known fingerprint; empty: none do. */
  find(message: Message, known: string): readonly PatchsetComment[] {
    const available = this.#left.filter(({ at }) => at === null || at === message.at);
    for (let length = 1; length <= Math.min(message.hidden, MAX_COMBINED); length += 1) {
      for (let from = available.length - length; from >= 0; from -= 1) {
        const tried = available.slice(from, from + length);
        const comparedText = textHash(textsOf(tried).join('\n'), this.#hash);
        if (fingerprintOf(message.votes, comparedText, this.#hash) === known) return tried;
      }
    }
    return [];
  }

  remove(comments: readonly PatchsetComment[]): void {
    this.#left = this.#left.filter((one) => !comments.includes(one));
  }

  /** Assigns all remaining comments to these messages, oldest first. */
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

/**
 * Uses the messages' own numbers if they add up. Otherwise each message gets one comment, starting with the newest, and
 * the newest gets the rest.
 */
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
