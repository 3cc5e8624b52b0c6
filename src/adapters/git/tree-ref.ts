/**
 * The name under which a merged tree is kept, in the cache and in every bundle that is made of it. It follows from the
 * tree alone, so whoever gets a bundle knows what to ask it for: `git fetch FILE +refs/sos-ci/trees/REVISION:...`.
 * A bundle holds this one ref and the tags that came with the history, and may lack what the receiver said it has.
 */
import { createHash } from 'node:crypto';
import type { MergedTree } from '../../machines/model/domain.ts';

/** What is tested, for as long as its reviews are open. */
export const TREES = 'refs/sos-ci/trees/';
/** What is being merged. */
export const FETCHED = 'refs/sos-ci/fetched/';
/** What the branches were at the last fetch, so that the next one is short. */
const TIPS = 'refs/sos-ci/tips/';

export function treeRef(tree: Pick<MergedTree, 'revision'>): string {
  return `${TREES}${tree.revision}`;
}

/** Not by the branch's own name: a branch may be called as a folder of one that is gone. */
export function tipRef(branch: string): string {
  return `${TIPS}${createHash('sha1').update(branch).digest('hex')}`;
}
