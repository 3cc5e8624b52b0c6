/**
 * Deduplicates Gerrit events from the live stream and from queries. Over SSH, events have no ids, the stream and a
 * query give the same comment with different text and seconds, and several equal comments may share one second. So
 * events are reduced to account, patchset, votes and text, and matched as multisets in time order with a tolerance of a
 * few seconds: those that the query returns beyond the seen ones are new. Which of several equal events counts as new
 * does not matter.
 */
import type { Account, GerritEvent } from '../model/gerrit-event.ts';
import type { Hash } from '../protocol/row.ts';
import { written } from './rules/recheck-comment.ts';
import { votesCast } from './rules/vote.ts';

/** The kinds of events that are remembered: a patchset exists; a comment; a change was restored. */
export type FingerprintKind = 'patchset' | 'comment' | 'restored';

/** The properties by which an event in Gerrit is recognized. */
export interface EventFingerprint {
  readonly kind: FingerprintKind;
  readonly change: number;
  /** 0 if irrelevant. */
  readonly patchset: number;
  /** '' if irrelevant. */
  readonly account: string;
  /** For a comment `fingerprintOf` its votes and text, for a patchset its branch, otherwise ''. */
  readonly text: string;
  /** Epoch ms, of whole seconds. */
  readonly at: number;
  /** Gerrit's id of the event; absent if the event came from the stream or from a query over SSH. */
  readonly id?: string;
}

/** An event that was decided. */
export interface SeenEvent extends EventFingerprint {
  /** Increasing and never reused. */
  readonly number: number;
  /** False: found by a query; the stream may still deliver it. */
  readonly streamed: boolean;
  /** For a patchset: it was work in progress or private. */
  readonly hidden: boolean;
}

/** Hex digits of the hash. Enough that two different texts of one account within seconds do not collide. */
const TEXT_DIGITS = 24;
const VOTES_DIGITS = 8;
/** Characters of a text that are compared: fewer than the part of an event's comment that is kept below its header. */
const TEXT_LIMIT = 60_000;

/** Null for events that need no deduplication: they start nothing, or cannot start anything twice. */
export function eventFingerprint(event: GerritEvent, hash: Hash): EventFingerprint | null {
  switch (event.type) {
    case 'patchset-created':
    case 'change-ready': {
      const { change, patchset } = event.patchset;
      return { kind: 'patchset', change, patchset, account: '', text: event.patchset.branch, at: event.at };
    }
    case 'comment-added': {
      const { change, patchset } = event.patchset;
      const { by, comment, at } = event;
      const text = fingerprintOf(votesCast(event), textHash(written(comment), hash), hash);
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

/** The hash of a text, ignoring white space. */
export function textHash(text: string, hash: Hash): string {
  return hash(text.slice(0, TEXT_LIMIT).replace(/\s+/gu, ' ').trim()).slice(0, TEXT_DIGITS);
}

/** The fingerprint of a comment. @param textPart a hash from `textHash` */
export function fingerprintOf(
  votes: readonly { readonly label: string; readonly value: number }[],
  textPart: string,
  hash: Hash,
): string {
  const cast = votes.map(({ label, value }) => `${label}=${value}`).sort();
  return cast.length === 0 ? textPart : `${textPart}+${hash(cast.join(' ')).slice(0, VOTES_DIGITS)}`;
}

/** The votes part of a fingerprint. */
export function votesIn(eventFingerprint: string): string {
  return eventFingerprint.split('+')[1] ?? '';
}

/** The result of comparing a query's answer with the seen events. */
export interface Comparison<T> {
  /** Not decided yet, oldest first. */
  readonly fresh: readonly T[];
  /** The stream delivered equal events during the query, so some of the others may be new as well. */
  readonly ambiguous: boolean;
  /** Gerrit ids for events that were decided without one. */
  readonly named: readonly IdAssignment[];
}

/** The Gerrit id of an event that was seen without one. */
export interface IdAssignment {
  readonly number: number;
  readonly id: string;
}

/**
 * @param entries all events of one change in Gerrit's answer
 * @param before events decided before the query: the answer contains all of them
 * @param during events decided since then: the answer contains some of them
 */
export function matchSeen<T extends EventFingerprint>(
  entries: readonly T[],
  before: readonly SeenEvent[],
  during: readonly SeenEvent[],
  toleranceMs: number,
): Comparison<T> {
  const { fresh, named } = unmatched(entries, [...before, ...during], toleranceMs);
  const ambiguous = during.length > 0 && unmatched(entries, before, toleranceMs).fresh.length > fresh.length;
  return { fresh: [...fresh].sort((one, other) => one.at - other.at), ambiguous, named };
}

/**
 * The event, seen only by a query, that the stream may be delivering now; null: the event is new. Times are ignored:
 * which of several equal comments a query counted as new was arbitrary, so the stored time may belong to another one. A
 * false positive costs one extra query; a false negative starts the job twice.
 */
export function findUnconfirmed(fingerprint: EventFingerprint, seen: readonly SeenEvent[]): SeenEvent | null {
  const key = keyOf(fingerprint);
  const unconfirmed = seen.filter((one) => !one.streamed && keyOf(one) === key);
  return unconfirmed.reduce<SeenEvent | null>(
    (first, one) => (first === null || one.at < first.at ? one : first),
    null,
  );
}

/** The seen event of the same patchset, regardless of time. */
export function samePatchset(fingerprint: EventFingerprint, seen: readonly SeenEvent[]): SeenEvent | null {
  if (fingerprint.kind !== 'patchset') return null;
  return seen.findLast((one) => one.kind === 'patchset' && one.patchset === fingerprint.patchset) ?? null;
}

/**
 * Removes the events that were seen: by id where both have one, the rest one to one. The newest are matched first:
 * events older than all remembered ones were never decided, must stay undecided, and must not use up the match of a
 * newer event. A seen event with an id matches only that id.
 */
function unmatched<T extends EventFingerprint>(
  entries: readonly T[],
  seen: readonly SeenEvent[],
  toleranceMs: number,
): { readonly fresh: readonly T[]; readonly named: readonly IdAssignment[] } {
  const ids = new Set(seen.flatMap(({ id }) => (id === undefined ? [] : [id])));
  const unknown = entries.filter(({ id }) => id === undefined || !ids.has(id));
  const byId = entries.some(({ id }) => id !== undefined);
  const byKey = new Map<string, SeenEvent[]>();
  for (const one of seen) {
    if (byId && one.id !== undefined) continue;
    const key = keyOf(one);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [one]);
    else known.push(one);
  }
  // Sorted so that the newest is last, because matches are taken from the end.
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

/** Takes the newest matching event off `left`; null for none. */
function takeMatch(
  fingerprint: EventFingerprint,
  left: SeenEvent[] | undefined,
  toleranceMs: number,
): SeenEvent | null {
  while (left !== undefined) {
    const newest = left.at(-1);
    if (newest === undefined || newest.at < fingerprint.at - timeSpan(fingerprint, toleranceMs)) return null;
    left.pop();
    // Otherwise the seen event is newer than the whole answer.
    if (near(newest, fingerprint, toleranceMs)) return newest;
  }
  return null;
}

type Timed = Pick<EventFingerprint, 'kind' | 'at'>;

export function near(one: Timed, other: Timed, toleranceMs: number): boolean {
  return Math.abs(one.at - other.at) <= timeSpan(one, toleranceMs);
}

/** A patchset is created once, so its time is ignored. */
function timeSpan(fingerprint: Timed, toleranceMs: number): number {
  return fingerprint.kind === 'patchset' ? Number.MAX_SAFE_INTEGER : toleranceMs;
}

function keyOf({ kind, change, patchset, account, text }: EventFingerprint): string {
  return `${kind}\n${change}\n${patchset}\n${account}\n${text}`;
}
