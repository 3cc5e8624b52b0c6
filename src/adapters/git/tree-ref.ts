/**
 * The name under which a merged tree is kept, in the cache and in every bundle that is made of it. It follows from the
 * tree alone, so whoever gets a bundle knows what to ask it for: `git fetch FILE +refs/sos-ci/trees/REVISION:...`.
 * A bundle holds this one ref and the tags that came with the history, and may lack what the receiver said it has.
 */
import type { MergedTree } from '../../machines/vocabulary.ts';

export const TREES = 'refs/sos-ci/trees/';

export function treeRef(tree: Pick<MergedTree, 'revision'>): string {
  return `${TREES}${tree.revision}`;
}

/**
 * Writes the tree with its history as a git bundle to `file`, whole or not at all.
 * @param haves commits that the receiver has already; those that are not known here are left out
 */
export type BundleTree = (
  tree: MergedTree,
  file: string,
  haves: readonly string[],
  signal: AbortSignal,
) => Promise<void>;
