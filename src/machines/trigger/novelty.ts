/**
 * Whether an event tells something new, by what was seen of its change before: the one place that says so, for the daemon
 * and for `sos-ci explain`. The daemon carries out what follows from it: it remembers, looks the change up, or neither.
 */
import type { GerritEvent } from '../model/gerrit-event.ts';
import { type EventFingerprint, findUnconfirmed, type SeenEvent, samePatchset } from './deduplication.ts';
import { hiddenComments } from './rules/recheck-comment.ts';
import type { Finding } from './rules/rule-names.ts';

export type Novelty =
  /** It is decided, and remembered as seen. */
  | { readonly is: 'new'; readonly hidden: boolean }
  /** It is decided, and needs no memory: it starts nothing, or nothing twice. */
  | { readonly is: 'untracked' }
  /** A patchset that was hidden when it was seen can be seen now: it is decided. */
  | { readonly is: 'shown'; readonly seen: SeenEvent }
  /** It was decided before. */
  | { readonly is: 'known' }
  /** The stream may be telling what a query had found before: the change is looked up, and the count decides. */
  | { readonly is: 'echo'; readonly seen: SeenEvent }
  /** A comment without its words: the change is looked up for them. */
  | { readonly is: 'wordless' };

/**
 * @param sighting null: the event needs not be known again
 * @param seen of the change, before this event
 * @param streamed false: a query told it
 */
export function noveltyOf(
  event: GerritEvent,
  sighting: EventFingerprint | null,
  seen: readonly SeenEvent[],
  streamed: boolean,
): Novelty {
  if (sighting === null) return { is: 'untracked' };
  if (event.type === 'patchset-created' || event.type === 'change-ready') {
    return patchsetNovelty(event, samePatchset(sighting, seen));
  }
  if (streamed && event.type === 'comment-added' && hiddenComments(event.comment) > 0) {
    return { is: 'wordless' };
  }
  const echo = streamed ? findUnconfirmed(sighting, seen) : null;
  return echo === null ? { is: 'new', hidden: false } : { is: 'echo', seen: echo };
}

/** A patchset is one thing, however often it is told; only a move, and that it can be seen at last, is new. */
function patchsetNovelty(
  event: Extract<GerritEvent, { type: 'patchset-created' | 'change-ready' }>,
  known: SeenEvent | null,
): Novelty {
  const hidden = event.wip || event.private;
  if (event.type === 'patchset-created') {
    return known === null || event.movedFrom !== undefined ? { is: 'new', hidden } : { is: 'known' };
  }
  if (hidden) return { is: 'untracked' };
  return known === null ? { is: 'new', hidden } : { is: 'shown', seen: known };
}

/** Why nothing is decided from the event; null: it is decided. */
export function vetoOf({ is }: Novelty): Finding | null {
  switch (is) {
    case 'known':
      return { rule: 'seen', why: 'this patchset was seen before' };
    case 'echo':
      return { rule: 'seen', why: 'it may be what was looked up before; the change is looked up again' };
    case 'wordless':
      return { rule: 'seen', why: 'its words are not in the event; the change is looked up' };
    default:
      return null;
  }
}
