/**
 * The kinds of patchset for which a job runs. A trivial rebase or a change of only the commit message may not be worth
 * a run.
 */

/** Gerrit's names. */
export const PATCHSET_KINDS = [
  'REWORK',
  'TRIVIAL_REBASE',
  'TRIVIAL_REBASE_WITH_MESSAGE_UPDATE',
  'MERGE_FIRST_PARENT_UPDATE',
  'NO_CODE_CHANGE',
  'NO_CHANGE',
] as const;

export interface KindRule {
  /** Empty: every kind. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Why a patchset is skipped; null: it is not. A patchset of unknown kind is tested. */
export function whyNotKind(kind: string, { include, exclude }: KindRule): string | null {
  const wanted = kind === '' || (!exclude.includes(kind) && (include.length === 0 || include.includes(kind)));
  return wanted ? null : `the patchset is a ${kind}`;
}
