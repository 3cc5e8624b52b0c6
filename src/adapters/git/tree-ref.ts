/**
 * The ref of a tree under test, in the cache and in bundles. It depends on the tree alone, so the receiver of a bundle
 * knows what to fetch: `git fetch FILE +refs/sos-ci/trees/REVISION:...`. The bundle of a merged tree also contains all
 * tags of its repository, and may lack commits that the receiver reported as present.
 */
import { createHash } from 'node:crypto';
import type { MergedTree } from '../../machines/model/domain.ts';

/** Tested trees, kept while their reviews are open. */
export const TREES = 'refs/sos-ci/trees/';
/** Inputs of running merges. */
export const FETCHED = 'refs/sos-ci/fetched/';
/** Branch tips at the last fetch, which keep the next fetch short. */
const TIPS = 'refs/sos-ci/tips/';

export function treeRef(tree: Pick<MergedTree, 'revision'>): string {
  return `${TREES}${tree.revision}`;
}

/** Hashed, because a branch name can be a path prefix of a deleted branch's name, or the reverse. */
export function tipRef(branch: string): string {
  return `${TIPS}${createHash('sha1').update(branch).digest('hex')}`;
}
