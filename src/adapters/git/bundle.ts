/**
 * Packs a merged tree for a host that cannot fetch from this one, as a bundle from which that host creates the work
 * tree with its history.
 */
import { rename, rm } from 'node:fs/promises';
import type { MergedTree } from '../../machines/model/domain.ts';
import { checkRevision } from './fetch-url.ts';
import type { GitCache } from './git-cache.ts';
import { withTree } from './merged-tree.ts';
import { treeRef } from './tree-ref.ts';

/**
 * Writes the tree with its history as a git bundle to `file`, atomically. It contains `treeRef(tree)` and the tags.
 * @param haves commits that the receiver already has; those unknown here are ignored
 */
export async function bundleTree(
  cache: GitCache,
  tree: MergedTree,
  file: string,
  haves: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const revision of [tree.revision, ...haves]) checkRevision(revision);
  const context = { operation: 'bundle tree', target: `${tree.project} ${tree.revision}`, signal };
  const part = `${file}.part`;
  try {
    await withTree(cache, context, tree, async (repository) => {
      const known = await repository.known(context, haves);
      await repository.bundle(context, part, tree.revision, [treeRef(tree), '--tags'], known);
    });
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
}
