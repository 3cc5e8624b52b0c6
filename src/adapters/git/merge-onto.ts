/**
 * Merges patchsets of one project onto a branch's tip, in order. A patchset based on the current tip fast-forwards, and
 * one already contained is skipped. The others get a merge commit that is identical wherever and whenever it is made.
 */
import type { Dependency } from '../../machines/model/domain.ts';
import type { BareRepository, GitContext, RefAt } from './bare-repository.ts';

export interface Patch extends Dependency {
  /** Commit time, seconds since the epoch. */
  readonly committedAt: number;
}

export type Merged =
  | { readonly revision: string }
  | { readonly conflict: Dependency; readonly files: readonly string[] };

/** Latest date that git can write. */
const LATEST = 253_402_300_799;

export async function mergeOnto(
  repository: BareRepository,
  context: GitContext,
  tip: RefAt,
  patches: readonly Patch[],
): Promise<Merged> {
  let current = tip;
  for (const patch of patches) {
    const base = await repository.mergeBase(context, current.revision, patch.revision);
    if (base === patch.revision) continue;
    if (base === current.revision) {
      current = patch;
      continue;
    }
    const merge =
      base === null ? null : await repository.mergeTree(context, current.revision, patch.revision);
    if (merge === null) return { conflict: patch, files: [] };
    if ('files' in merge) return { conflict: patch, files: merge.files };
    const committedAt = Math.min(Math.max(current.committedAt, patch.committedAt, 0), LATEST);
    const revision = await repository.commit(context, {
      tree: merge.tree,
      parents: [current.revision, patch.revision],
      message: messageOf(patch),
      committedAt,
    });
    current = { revision, committedAt };
  }
  return { revision: current.revision };
}

/** Identifies the merge; contains no user text. */
function messageOf({ project, branch, change, patchset, revision }: Dependency): string {
  const lines = [
    `Merge ${change},${patchset} into ${branch}`,
    '',
    'Made by sos-ci, to be tested as it would be merged.',
    '',
    `Project: ${project}`,
    `Change: ${change},${patchset}`,
    `Commit: ${revision}`,
  ];
  return `${lines.join('\n')}\n`;
}
