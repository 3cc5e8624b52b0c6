/**
 * What was decided already. Over SSH nothing in Gerrit has an id, the stream and a query word the same comment differently
 * and tell different seconds, and eight equal comments may share one. So what both tell is brought to account, patchset,
 * votes and words, and matched as a multiset for each of these, in the order of time with a few seconds' tolerance: as many
 * as the query holds more than were seen are new. Which of several equal ones is taken for new makes no difference.
 */
import type { Account, GerritEvent } from '../model/gerrit-event.ts';
import type { Hash } from '../protocol/row.ts';
import { written } from './rules/recheck-comment.ts';
import { votesCast } from './rules/vote.ts';

/** What is remembered: that there is a patchset; a comment; that a change was restored. */
export type FingerprintKind = 'patchset' | 'comment' | 'restored';

/** Something that happened in Gerrit, as far as it must be known to know it again. */
export interface EventFingerprint {
  readonly kind: FingerprintKind;
  readonly change: number;
  /** 0 where it makes no difference. */
  readonly patchset: number;
  /** '' where it makes no difference. */
  readonly account: string;
  /** Of a comment: `fingerprintOf` its votes and words; of a patchset its branch; '' where there is none. */
  readonly text: string;
  /** Epoch ms, of whole seconds. */
  readonly at: number;
  /** By which Gerrit knows it; absent: the stream told it, or Gerrit was asked by SSH. */
  readonly id?: string;
}

/** A sighting that was decided. */
export interface SeenEvent extends EventFingerprint {
  /** Counts up, and is never given twice. */
  readonly number: number;
  /** False: a query brought it, and the stream may still tell of it. */
  readonly streamed: boolean;
  /** Of a patchset: it was work in progress or private. */
  readonly hidden: boolean;
}

/** Hex digits of a hash that are kept: two different texts of one account within seconds are not taken for each other. */
const WORDS_DIGITS = 24;
const VOTES_DIGITS = 8;
/** Characters of a text that are compared: less than what is kept of an event's comment below its header. */
const WORDS_LIMIT = 60_000;

/** Null for what needs not be known again: it starts nothing, or starts nothing twice. */
export function fingerprint(event: GerritEvent, hash: Hash): EventFingerprint | null {
  switch (event.type) {
    case 'patchset-created':
    case 'change-ready': {
      const { change, patchset } = event.patchset;
      return { kind: 'patchset', change, patchset, account: '', text: event.patchset.branch, at: event.at };
    }
    case 'comment-added': {
      const { change, patchset } = event.patchset;
      const { by, comment, at } = event;
      const text = fingerprintOf(votesCast(event), wordsOf(written(comment), hash), hash);
      return { kind: 'comment', change, patchset, account: nameOf(by), text, at };
    }
    case 'change-restored': {
      const { change } = event.patchset;
      return { kind: 'restored', change, patchset: 0, account: nameOf(event.by), text: '', at: event.at };
    }
    default:
      return null;
  }
}

export function nameOf(account: Account): string {
  return account.username || account.email || account.name;
}

/** The hash of what somebody wrote, white space aside. */
export function wordsOf(text: string, hash: Hash): string {
  return hash(text.slice(0, WORDS_LIMIT).replace(/\s+/gu, ' ').trim()).slice(0, WORDS_DIGITS);
}

/** By which a comment is known again. @param words as `wordsOf` gives them */
export function fingerprintOf(
  votes: readonly { readonly label: string; readonly value: number }[],
  words: string,
  hash: Hash,
): string {
  const cast = votes.map(({ label, value }) => `${label}=${value}`).sort();
  return cast.length === 0 ? words : `${words}+${hash(cast.join(' ')).slice(0, VOTES_DIGITS)}`;
}

/** The part of a fingerprint that stands for the votes. */
export function votesIn(fingerprint: string): string {
  return fingerprint.split('+')[1] ?? '';
}

/** What a look at Gerrit's own account comes to. */
export interface Comparison<T> {
  /** Not decided yet, oldest first. */
  readonly fresh: readonly T[];
  /** The stream told of the same while Gerrit answered, so some of the others may be new as well. */
  readonly unsure: boolean;
  /** Ids that are known now of what was decided before. */
  readonly named: readonly IdAssignment[];
}

/** Something that was seen without an id, and the id that it has. */
export interface IdAssignment {
  readonly number: number;
  readonly id: string;
}

/**
 * @param told all of one change that Gerrit's answer holds
 * @param before what was decided when Gerrit was asked: its answer holds all of that
 * @param during what was decided since then: its answer holds some of that
 */
export function matchSeen<T extends EventFingerprint>(
  told: readonly T[],
  before: readonly SeenEvent[],
  during: readonly SeenEvent[],
  toleranceMs: number,
): Comparison<T> {
  const { fresh, named } = unmatched(told, [...before, ...during], toleranceMs);
  const unsure = during.length > 0 && unmatched(told, before, toleranceMs).fresh.length > fresh.length;
  return { fresh: [...fresh].sort((one, other) => one.at - other.at), unsure, named };
}

/**
 * Of what was seen by a query alone, the one that the stream may now be telling of; null: it tells something new. Times
 * say nothing here: which of several equal comments a look took for new was chance, so what is remembered of it may be
 * another one's time. To ask once more than needed costs a question, once less a second start.
 */
export function findUnconfirmed(sighting: EventFingerprint, seen: readonly SeenEvent[]): SeenEvent | null {
  const key = keyOf(sighting);
  const silent = seen.filter((one) => !one.streamed && keyOf(one) === key);
  return silent.reduce<SeenEvent | null>(
    (first, one) => (first === null || one.at < first.at ? one : first),
    null,
  );
}

/** The same patchset: that is one thing, whenever it is told. */
export function samePatchset(sighting: EventFingerprint, seen: readonly SeenEvent[]): SeenEvent | null {
  if (sighting.kind !== 'patchset') return null;
  return seen.findLast((one) => one.kind === 'patchset' && one.patchset === sighting.patchset) ?? null;
}

/**
 * Takes away as many as were seen: by their ids, where both have one, and the rest one by one. The newest are matched first:
 * what lies before all that we remember was never decided, is not to be, and must not use up what stands for
 * something newer. One whose id is known stands for no other.
 */
function unmatched<T extends EventFingerprint>(
  told: readonly T[],
  seen: readonly SeenEvent[],
  toleranceMs: number,
): { readonly fresh: readonly T[]; readonly named: readonly IdAssignment[] } {
  const ids = new Set(seen.flatMap(({ id }) => (id === undefined ? [] : [id])));
  const unknown = told.filter(({ id }) => id === undefined || !ids.has(id));
  const byId = told.some(({ id }) => id !== undefined);
  const byKey = new Map<string, SeenEvent[]>();
  for (const one of seen) {
    if (byId && one.id !== undefined) continue;
    const key = keyOf(one);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [one]);
    else known.push(one);
  }
  // From the end the newest is taken.
  for (const list of byKey.values()) list.sort((one, other) => one.at - other.at);
  const newestFirst = [...unknown].sort((one, other) => other.at - one.at);
  const named: IdAssignment[] = [];
  const fresh = newestFirst.filter((one) => {
    const match = takeMatch(one, byKey.get(keyOf(one)), toleranceMs);
    if (match !== null && one.id !== undefined) named.push({ number: match.number, id: one.id });
    return match === null;
  });
  return { fresh, named };
}

/** The one of `left`, the newest first, that stands for it, and is used up by that; null for none. */
function takeMatch(
  sighting: EventFingerprint,
  left: SeenEvent[] | undefined,
  toleranceMs: number,
): SeenEvent | null {
  while (left !== undefined) {
    const newest = left.at(-1);
    if (newest === undefined || newest.at < sighting.at - timeSpan(sighting, toleranceMs)) return null;
    left.pop();
    // One that is newer than all that was told is not told yet.
    if (near(newest, sighting, toleranceMs)) return newest;
  }
  return null;
}

type Timed = Pick<EventFingerprint, 'kind' | 'at'>;

export function near(one: Timed, other: Timed, toleranceMs: number): boolean {
  return Math.abs(one.at - other.at) <= timeSpan(one, toleranceMs);
}

/** A patchset is there once: its time says nothing. */
function timeSpan(sighting: Timed, toleranceMs: number): number {
  return sighting.kind === 'patchset' ? Number.MAX_SAFE_INTEGER : toleranceMs;
}

function keyOf({ kind, change, patchset, account, text }: EventFingerprint): string {
  return `${kind}\n${change}\n${patchset}\n${account}\n${text}`;
}
