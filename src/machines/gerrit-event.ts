/**
 * What we understand of Gerrit's stream, in one shape whatever the server's version
 * (https://gerrit-review.googlesource.com/Documentation/cmd-stream-events.html). The adapter makes these; `trigger` reads them.
 */
import type { Patchset } from './vocabulary.ts';

/** An account as an event names it. Any field may be empty. */
export interface Account {
  readonly username: string;
  readonly name: string;
  readonly email: string;
}

/** One label in a comment. A vote that was cast now has `oldValue`. */
export interface Approval {
  readonly label: string;
  readonly value: number;
  readonly oldValue: number | null;
}

interface OnPatchset {
  /** Gerrit's eventCreatedOn as epoch ms (Gerrit has whole seconds); 0 when absent. */
  readonly at: number;
  readonly patchset: Patchset;
  readonly wip: boolean;
  readonly private: boolean;
  readonly by: Account;
}

export type GerritEvent =
  /** `kind`: REWORK, TRIVIAL_REBASE, NO_CODE_CHANGE ...; '' when absent. */
  | (OnPatchset & { readonly type: 'patchset-created'; readonly kind: string })
  | (OnPatchset & {
      readonly type: 'comment-added';
      readonly comment: string;
      readonly approvals: readonly Approval[];
    })
  /** It is work in progress, or private, no longer; what `wip` and `private` say still holds. */
  | (OnPatchset & { readonly type: 'change-ready' })
  | (OnPatchset & { readonly type: 'change-abandoned' })
  | (OnPatchset & { readonly type: 'change-restored' })
  | (OnPatchset & { readonly type: 'change-merged' })
  | {
      readonly type: 'change-deleted';
      readonly at: number;
      readonly project: string;
      readonly change: number;
      readonly by: Account;
    }
  /** The server's queue for us overflowed: an unknown number of events is lost. */
  | { readonly type: 'dropped-output' }
  /** Known or unknown to Gerrit's documentation, but nothing that we act on: counted by name. */
  | { readonly type: 'other'; readonly name: string };
