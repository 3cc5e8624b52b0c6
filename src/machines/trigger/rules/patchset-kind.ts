/** Which kinds of patchset a job is for: what Gerrit calls a trivial rebase, or a change of the commit message alone, may not be worth a run. */

/** Gerrit's words. */
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

/** Why a patchset is passed over; null: it is not. One whose kind Gerrit did not tell is tested. */
export function whyNotKind(kind: string, { include, exclude }: KindRule): string | null {
  const wanted = kind === '' || (!exclude.includes(kind) && (include.length === 0 || include.includes(kind)));
  return wanted ? null : `the patchset is a ${kind}`;
}
