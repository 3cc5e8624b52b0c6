/**
 * Whether an event is new, compared with the seen events of its change. The daemon and `sos-ci explain` share this
 * function. The daemon acts on the answer: it records the event, looks the change up, or does neither.
 */
import type { GerritEvent } from '../model/gerrit-event.ts';
import { type EventFingerprint, findUnconfirmed, type SeenEvent, samePatchset } from './deduplication.ts';
import { hiddenComments } from './rules/recheck-comment.ts';
import type { Finding } from './rules/rule-names.ts';

export type Novelty =
  /** Decided, and recorded as seen. */
  | { readonly is: 'new'; readonly hidden: boolean }
  /** Decided, and not recorded: it starts nothing, or cannot start anything twice. */
  | { readonly is: 'untracked' }
  /** A patchset that was hidden when first seen is visible now: decided. */
  | { readonly is: 'shown'; readonly seen: SeenEvent }
  /** Decided before. */
  | { readonly is: 'known' }
  /**
   * The stream may be delivering an event that a query found before: the change is looked up, and the counts decide.
   */
  | { readonly is: 'echo'; readonly seen: SeenEvent }
  /** A comment without its text: the change is looked up for it. */
  | { readonly is: 'without-text' };

/**
 * @param fingerprint null: the event needs no deduplication
 * @param seen the seen events of the change, before this one
 * @param streamed false: found by a query
 */
export function noveltyOf(
  event: GerritEvent,
  fingerprint: EventFingerprint | null,
  seen: readonly SeenEvent[],
  streamed: boolean,
): Novelty {
  if (fingerprint === null) return { is: 'untracked' };
  if (event.type === 'patchset-created' || event.type === 'change-ready') {
    return patchsetNovelty(event, samePatchset(fingerprint, seen));
  }
  if (streamed && event.type === 'comment-added' && hiddenComments(event.comment) > 0) {
    return { is: 'without-text' };
  }
  const echo = streamed ? findUnconfirmed(fingerprint, seen) : null;
  return echo === null ? { is: 'new', hidden: false } : { is: 'echo', seen: echo };
}

/** Repeated events of a patchset are known; only a move to another branch and the end of being hidden are new. */
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

/** Why the event is not decided; null: it is decided. */
export function vetoOf({ is }: Novelty): Finding | null {
  switch (is) {
    case 'known':
      return { rule: 'seen', why: 'this patchset was seen before' };
    case 'echo':
      return {
        rule: 'seen',
        why: 'it may repeat an event that a query found; the change is looked up again',
      };
    case 'without-text':
      return { rule: 'seen', why: 'its text is not in the event; the change is looked up' };
    default:
      return null;
  }
}
