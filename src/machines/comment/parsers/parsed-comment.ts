/**
 * What a program that collects CI results makes of one comment. The four of them that OpenStack's developers look at are
 * modelled in the files beside this one, as far as they decide which jobs and verdicts people see: a comment that one of
 * them misreads is as good as none.
 */

/** A message on a change, as Gerrit stores it. */
export interface GerritMessage {
  /** The display name of the account: by it a CI is known. */
  readonly author: string;
  /** Whole, with Gerrit's own line `Patch Set N: votes` on top. */
  readonly text: string;
}

export interface ShownJob {
  readonly name: string;
  readonly verdict: string;
  readonly link: string;
}

export interface Reading {
  /** The word behind `Build`; null where the reader does not look for it. */
  readonly status: string | null;
  readonly pipeline: string | null;
  readonly jobs: readonly ShownJob[];
}

/** Null: the reader does not take the message for a CI's result, or breaks at it and shows nothing. */
export type Reader = (message: GerritMessage) => Reading | null;
