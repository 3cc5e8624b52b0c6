/**
 * The fields of a `gerrit query` row that a lookup reads: state, current patchset with files and votes, commit message,
 * parents. The data is untrusted, so every field is bounded here.
 */
import { z } from 'zod';
import type { AccountVote, Dependency } from '../../../machines/model/domain.ts';
import * as shapes from '../json-schemas.ts';
import { queryError } from '../transport/query.ts';

const MESSAGE_LIMIT = 65_536;
const STATUS_LIMIT = 20;
const LABEL_LIMIT = 100;
const PATH_LIMIT = 500;
const APPROVALS_LIMIT = 1_000;
const PARENTS_LIMIT = 100;

const approval = z.object({
  type: shapes.text(LABEL_LIMIT),
  description: shapes.text(LABEL_LIMIT),
  value: shapes.vote,
  by: shapes.account,
});

const patchSet = shapes.patchSet.extend({
  parents: z.array(z.unknown()).nullish(),
  approvals: z.array(approval).max(APPROVALS_LIMIT).nullish(),
  files: z.array(z.unknown()).nullish(),
});

const queryRow = shapes.change.extend({
  id: shapes.text(LABEL_LIMIT),
  status: shapes.text(STATUS_LIMIT),
  commitMessage: shapes.text(MESSAGE_LIMIT),
  currentPatchSet: patchSet.optional(),
  dependsOn: z
    .array(z.object({ number: shapes.positive }))
    .max(PARENTS_LIMIT)
    .nullish(),
});

export type QueryRow = z.infer<typeof queryRow>;

export function parseQueryRow(row: unknown, target: string): QueryRow {
  const { success, data, error } = queryRow.safeParse(row);
  if (success) return data;
  throw queryError(target, `a row has an unknown format: ${z.prettifyError(error)}`, false);
}

/** An unknown status counts as open: Gerrit itself refuses reviews that a closed change does not accept. */
export function statusOf({ status }: QueryRow): 'open' | 'merged' | 'abandoned' {
  if (status === 'MERGED') return 'merged';
  return status === 'ABANDONED' ? 'abandoned' : 'open';
}

/**
 * Paths that the current patchset touches, including the old paths of renames. Null when the list cannot be complete:
 * more than `limit` files, a malformed path, or a merge commit, for which Gerrit lists only the differences from an
 * automatic merge.
 */
export function filesOf(row: QueryRow, limit: number): readonly string[] | null {
  if ((row.currentPatchSet?.parents?.length ?? 0) > 1) return null;
  const paths = new Set<string>();
  for (const entry of row.currentPatchSet?.files ?? []) {
    const { file, fileOld } = (typeof entry === 'object' && entry !== null ? entry : {}) as UncheckedFile;
    for (const path of fileOld === undefined ? [file] : [file, fileOld]) {
      if (typeof path !== 'string' || path === '' || path.length > PATH_LIMIT) return null;
      // Gerrit's magic files, such as /COMMIT_MSG.
      if (!path.startsWith('/')) paths.add(shapes.wellFormed(path));
      if (paths.size > limit) return null;
    }
  }
  return [...paths];
}

interface UncheckedFile {
  readonly file?: unknown;
  readonly fileOld?: unknown;
}

export function votesOf(row: QueryRow): readonly AccountVote[] {
  return (row.currentPatchSet?.approvals ?? []).flatMap(({ type, description, value, by }) => {
    const label = type || description;
    return value === null || value === 0 || label === ''
      ? []
      : [{ account: by.username, label: shapes.oneLine(label, LABEL_LIMIT), value }];
  });
}

/** Null for a row without a patchset. */
export function dependencyOf(row: QueryRow, target: string): Dependency | null {
  if (row.currentPatchSet === undefined) return null;
  try {
    const { project, branch, change, patchset, revision, ref } = shapes.toPatchset(row, row.currentPatchSet);
    return { project, branch, change, patchset, revision, ref };
  } catch (error) {
    if (!(error instanceof shapes.SchemaMismatch)) throw error;
    throw queryError(target, `its ${error.message} cannot be used`, false);
  }
}
