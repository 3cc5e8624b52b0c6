/**
 * Finds events in a change's history that were not decided yet: a pure comparison of Gerrit's answer with the seen
 * events.
 */
import type { GerritEvent } from '../../machines/model/gerrit-event.ts';
import type { Hash } from '../../machines/protocol/row.ts';
import {
  type EventFingerprint,
  type IdAssignment,
  matchSeen,
  nameOf,
  type SeenEvent,
} from '../../machines/trigger/deduplication.ts';
import {
  type Message,
  matchComments,
  type PatchsetComment,
} from '../../machines/trigger/patchset-comments.ts';
import { hiddenComments, written } from '../../machines/trigger/rules/recheck-comment.ts';
import type { ChangeHistory, HistoryEntry } from '../ports/event-source.ts';

/** An event that was not decided. */
export interface MissedEvent {
  readonly fingerprint: EventFingerprint;
  /** Null: too old to act on; it is only recorded as seen. */
  readonly event: GerritEvent | null;
}

export interface CatchUpDiff {
  /** Oldest first. */
  readonly missed: readonly MissedEvent[];
  /** True: the stream reported the same event during the query, so there may be more. */
  readonly ambiguous: boolean;
  /** Ids that are now known for events decided earlier. */
  readonly named: readonly IdAssignment[];
}

export interface CatchUpQuery {
  /** Older events are ignored. */
  readonly since: number;
  /** The highest number of a seen event when the query began. */
  readonly lastSeen: number;
  readonly toleranceMs: number;
  readonly hash: Hash;
}

/**
 * Entries more than this long before `since` are not compared. The margin keeps entries close to `since` matched with their
 * counterparts.
 */
const COMPARED_BEFORE_MS = 3_600_000;

/** Entries before this time are not compared. */
export function comparedSince(since: number): number {
  return since - COMPARED_BEFORE_MS;
}

export function findMissedEvents(
  past: ChangeHistory,
  seen: readonly SeenEvent[],
  query: CatchUpQuery,
): CatchUpDiff {
  const { since, lastSeen, toleranceMs, hash } = query;
  const entries = entriesOf(past, seen, toleranceMs, hash).filter(({ at }) => at >= comparedSince(since));
  const before = seen.filter((one) => one.number <= lastSeen);
  const during = seen.filter((one) => one.number > lastSeen);
  const { fresh, ambiguous, named } = matchSeen(entries, before, during, toleranceMs);
  const events = fresh
    .filter((one) => one.at >= since)
    .map(({ event, ...fingerprint }): MissedEvent => ({ fingerprint, event }));
  const patchset = missedPatchset(past, seen, since);
  const missed = patchset === null ? events : [...events, patchset];
  return { missed: missed.sort((one, other) => one.fingerprint.at - other.fingerprint.at), ambiguous, named };
}

/** The current patchset, when it is new or no longer hidden. */
function missedPatchset(
  { change, patchset, ready, updatedAt }: ChangeHistory,
  seen: readonly SeenEvent[],
  since: number,
): MissedEvent | null {
  const current = ready ?? patchset;
  if (current === null) return null;
  const number = current.event.patchset.patchset;
  const { branch } = current.event.patchset;
  const known = seen.findLast((one) => one.kind === 'patchset' && one.patchset === number);
  const missedEvent = (event: GerritEvent, at: number): MissedEvent => ({
    fingerprint: { kind: 'patchset', change, patchset: number, account: '', text: branch, at },
    event,
  });
  if (known !== undefined && patchset !== null && isMoved(known, branch))
    return missedEvent({ ...patchset.event, kind: '', movedFrom: known.text }, updatedAt);
  if (known === undefined && patchset !== null && patchset.at >= since)
    return missedEvent(patchset.event, patchset.at);
  if (ready === null) return null;
  // Gerrit does not always report when a change became ready: it is enough that it was not ready when it was seen.
  if (known !== undefined) return known.hidden ? missedEvent(ready.event, ready.readyAt ?? known.at) : null;
  return ready.readyAt !== null && ready.readyAt >= since ? missedEvent(ready.event, ready.readyAt) : null;
}

/** Events that were stored without a branch count as on the current branch. */
function isMoved({ text }: SeenEvent, branch: string): boolean {
  return text !== '' && text !== branch;
}

type Entry = EventFingerprint & Pick<HistoryEntry, 'event'>;
type PastMessage = Message & { readonly entry: HistoryEntry };

/** The entries in order, with the text of their comments. */
function entriesOf(
  past: ChangeHistory,
  seen: readonly SeenEvent[],
  toleranceMs: number,
  hash: Hash,
): readonly Entry[] {
  const comments = past.comments.map(({ by, ...one }) => ({ ...one, account: nameOf(by) }));
  const groups = new Map<string, PastMessage[]>();
  for (const entry of past.entries.filter(({ kind }) => kind === 'comment')) {
    const message = messageOf(past, entry);
    const group = `${message.patchset} ${message.account}`;
    groups.set(group, [...(groups.get(group) ?? []), message]);
  }
  const events = new Map(
    [...groups.values()].flatMap((group) => withText(group, comments, seen, toleranceMs, hash)),
  );
  return past.entries.map(
    (entry) => events.get(entry) ?? { ...fingerprintWithoutText(past, entry), event: entry.event },
  );
}

/** The fingerprint without the text. */
function fingerprintWithoutText(
  { change }: ChangeHistory,
  { kind, patchset, by, at, id }: HistoryEntry,
): EventFingerprint {
  const known = id === undefined ? {} : { id };
  return { kind, change, patchset, account: nameOf(by), text: '', at, ...known };
}

function messageOf(past: ChangeHistory, entry: HistoryEntry): PastMessage {
  const { text, votes } = entry;
  const contents = { votes, written: written(text), hidden: hiddenComments(text) };
  return { ...fingerprintWithoutText(past, entry), ...contents, entry };
}

/** @param messages by one account on one patchset, oldest first */
function withText(
  messages: readonly PastMessage[],
  comments: readonly PatchsetComment[],
  seen: readonly SeenEvent[],
  toleranceMs: number,
  hash: Hash,
): readonly (readonly [HistoryEntry, Entry])[] {
  const [first] = messages;
  if (first === undefined) return [];
  const isSameAuthor = (one: PatchsetComment | SeenEvent): boolean =>
    one.account === first.account && one.patchset === first.patchset;
  const ownComments = comments.filter(isSameAuthor);
  const known = seen.filter((one) => one.kind === 'comment' && isSameAuthor(one));
  return [...matchComments(messages, ownComments, known, toleranceMs, hash)].map(([message, events]) => {
    const { kind, change, account, patchset, at, id, entry } = message;
    const fingerprint = { kind, change, account, patchset, at, ...(id === undefined ? {} : { id }) };
    return [entry, { ...fingerprint, text: events.text, event: eventWith(entry.event, events.comments) }];
  });
}

/** The event as a stream that includes patchset-level comments would send it. */
function eventWith(event: GerritEvent | null, comments: readonly string[]): GerritEvent | null {
  if (event?.type !== 'comment-added' || comments.length === 0) return event;
  const [header = ''] = event.comment.split('\n', 1);
  const parts = comments.length > 1 ? { parts: comments } : {};
  return { ...event, comment: `${header}\n\n${comments.join('\n')}`, ...parts };
}
