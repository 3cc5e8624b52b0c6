/**
 * Comments whose text the stream does not include: it sends `(1 comment)` where a patchset-level comment was saved as a
 * draft before, or the site sets publishPatchSetLevelComment=false. They are decided by a query of the change instead
 * of by the stream's event. Gerrit can stream an event before a query shows it, so a query that does not find the
 * comment is repeated, a limited number of times.
 */

import { type EventFingerprint, nameOf, near } from '../../machines/trigger/deduplication.ts';
import { hiddenComments } from '../../machines/trigger/rules/recheck-comment.ts';
import type { ChangeHistory, HistoryEntry } from '../ports/event-source.ts';

/**
 * Maximum number of queries for one comment. With a second between them, the total is as long as Zuul waits for
 * Gerrit's index.
 */
const MAX_CHECKS = 10;
export const BETWEEN_CHECKS_MS = 1_000;

interface PendingComment {
  readonly fingerprint: EventFingerprint;
  checks: number;
}

export class HiddenComments {
  readonly #toleranceMs: number;
  readonly #all = new Set<PendingComment>();

  constructor(toleranceMs: number) {
    this.#toleranceMs = toleranceMs;
  }

  add(fingerprint: EventFingerprint): void {
    this.#all.add({ fingerprint, checks: 0 });
  }

  /** Begins a query. The returned function ends it with the result. */
  begin(): (past: readonly ChangeHistory[], wasQueried: (change: number) => boolean) => FoundComments {
    const before = [...this.#all];
    return (past, wasQueried) => {
      const entries = new Map(past.map((one) => [one.change, one.entries] as const));
      const shown: EventFingerprint[] = [];
      const missing = new Set<number>();
      for (const one of before.filter(({ fingerprint }) => wasQueried(fingerprint.change))) {
        const { fingerprint } = one;
        one.checks += 1;
        if (entries.get(fingerprint.change)?.some((entry) => this.#isShownIn(fingerprint, entry))) {
          shown.push(fingerprint);
          this.#all.delete(one);
        } else if (one.checks < MAX_CHECKS) missing.add(fingerprint.change);
        else this.#all.delete(one);
      }
      return { missing: [...missing], includes: (found) => shown.some((one) => this.#isSame(one, found)) };
    };
  }

  #isShownIn(fingerprint: EventFingerprint, { kind, patchset, by, at, text }: HistoryEntry): boolean {
    const entry = { ...fingerprint, kind, patchset, account: nameOf(by), at };
    return hiddenComments(text) > 0 && this.#isSame(fingerprint, entry);
  }

  #isSame(one: EventFingerprint, other: EventFingerprint): boolean {
    const key = ({ kind, change, patchset, account }: EventFingerprint): string =>
      `${kind} ${change} ${patchset} ${account}`;
    return key(one) === key(other) && near(one, other, this.#toleranceMs);
  }
}

/** What a query found of the comments that the stream sent without text. */
export interface FoundComments {
  /** Changes that must be queried again. */
  readonly missing: readonly number[];
  /** True when the stream has reported this event. */
  readonly includes: (fingerprint: EventFingerprint) => boolean;
}
