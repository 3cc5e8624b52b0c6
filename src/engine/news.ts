/** What of a change's own account was not decided upon yet: a pure comparison of what Gerrit tells with what is remembered. */
import type { GerritEvent } from '../machines/gerrit-event.ts';
import type { Hash } from '../machines/row.ts';
import { compare, type Named, nameOf, type Seen, type Sighting, textOf } from '../machines/seen.ts';
import type { ChangePast, PastEntry } from './intake-port.ts';

/** One thing that happened and was not decided upon. */
export interface News {
  readonly sighting: Sighting;
  /** Null: it is too late for it to mean anything; it is only remembered. */
  readonly event: GerritEvent | null;
}

export interface Newspaper {
  /** Oldest first. */
  readonly news: readonly News[];
  /** The stream told of the same while Gerrit answered: there may be more. */
  readonly unsure: boolean;
  /** Ids that are known now of what was decided upon before. */
  readonly named: readonly Named[];
}

export interface Reading {
  /** Nothing older is news. */
  readonly since: number;
  /** The highest number that was given to anything seen when Gerrit was asked. */
  readonly asked: number;
  readonly toleranceMs: number;
  readonly hash: Hash;
}

/** Older entries than this before `since` are not even compared: what stands beside `since` must still find its counterpart. */
const COMPARED_BEFORE_MS = 3_600_000;

export function newsOf(past: ChangePast, seen: readonly Seen[], reading: Reading): Newspaper {
  const { since, asked, toleranceMs, hash } = reading;
  const told = past.entries
    .filter((entry) => entry.at >= since - COMPARED_BEFORE_MS)
    .map((entry) => ({ ...sightingOfEntry(past, entry, hash), entry }));
  const before = seen.filter((one) => one.number <= asked);
  const during = seen.filter((one) => one.number > asked);
  const { fresh, unsure, named } = compare(told, before, during, toleranceMs);
  const said = fresh
    .filter((one) => one.at >= since)
    .map(({ entry, ...sighting }): News => ({ sighting, event: entry.event }));
  const patchset = patchsetNews(past, seen, since);
  const news = patchset === null ? said : [...said, patchset];
  return { news: news.sort((one, other) => one.sighting.at - other.sighting.at), unsure, named };
}

/** The current patchset when it is new, or when it is to be seen at last. */
function patchsetNews(
  { change, patchset, ready, updatedAt }: ChangePast,
  seen: readonly Seen[],
  since: number,
): News | null {
  const current = ready ?? patchset;
  if (current === null) return null;
  const number = current.event.patchset.patchset;
  const { branch } = current.event.patchset;
  const known = seen.findLast((one) => one.kind === 'patchset' && one.patchset === number);
  const news = (event: GerritEvent, at: number): News => ({
    sighting: { kind: 'patchset', change, patchset: number, account: '', text: branch, at },
    event,
  });
  if (known !== undefined && patchset !== null && isMoved(known, branch))
    return news({ ...patchset.event, kind: '', movedFrom: known.text }, updatedAt);
  if (known === undefined && patchset !== null && patchset.at >= since)
    return news(patchset.event, patchset.at);
  if (ready === null) return null;
  // Gerrit does not always say when a change became ready: that it was not when it was seen is enough.
  if (known !== undefined) return known.hidden ? news(ready.event, ready.saidAt ?? known.at) : null;
  return ready.saidAt !== null && ready.saidAt >= since ? news(ready.event, ready.saidAt) : null;
}

/** What was seen before branches were remembered is on whatever branch it is now. */
function isMoved({ text }: Seen, branch: string): boolean {
  return text !== '' && text !== branch;
}

function sightingOfEntry({ change }: ChangePast, entry: PastEntry, hash: Hash): Sighting {
  const { kind, patchset, by, text, at, id } = entry;
  const known = id === undefined ? {} : { id };
  return kind === 'comment'
    ? { kind, change, patchset, account: nameOf(by), text: textOf(text, hash), at, ...known }
    : { kind, change, patchset: 0, account: nameOf(by), text: '', at, ...known };
}
