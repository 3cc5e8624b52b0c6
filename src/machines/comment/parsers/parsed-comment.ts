/**
 * The result of parsing a comment with a program that collects CI results. The files in this directory model the four
 * such programs that OpenStack developers use, as far as they decide which jobs and verdicts are shown: a comment that
 * one of them misreads is useless there.
 */

/** A message on a change, as Gerrit stores it. */
export interface GerritMessage {
  /** The display name of the account, which identifies a CI. */
  readonly author: string;
  /** The whole text, with Gerrit's line `Patch Set N: votes` on top. */
  readonly text: string;
}

export interface ShownJob {
  readonly name: string;
  readonly verdict: string;
  readonly link: string;
}

export interface Reading {
  /** The word after `Build`; null if the parser ignores it. */
  readonly status: string | null;
  readonly pipeline: string | null;
  readonly jobs: readonly ShownJob[];
}

/** Null: the parser does not recognize the message as a CI result, or fails on it and shows nothing. */
export type Reader = (message: GerritMessage) => Reading | null;
