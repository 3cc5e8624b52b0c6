/**
 * Merges a patchset and its dependencies, each project in its own cached repository, in parallel. Patches exist only as
 * git objects there: no work tree, hooks, filters or submodules.
 */
import type { EffectOf, MergeOutcome, Merger } from '../../engine/ports/adapters.ts';
import type { Dependency, MergedTree } from '../../machines/model/domain.ts';
import type { GitContext } from './bare-repository.ts';
import type { GitCache } from './git-cache.ts';
import type { MadeTree } from './merge-record.ts';
import { checkPlan, makeTree, type TreeOutcome, type TreePlan } from './merged-tree.ts';
import { treeRef } from './tree-ref.ts';

type Merge = EffectOf<'mergePatchset'>;

export class GitMerger implements Merger {
  readonly #cache: GitCache;

  constructor(cache: GitCache) {
    this.#cache = cache;
  }

  async merge(request: Merge, signal: AbortSignal): Promise<MergeOutcome> {
    const { review, patchset } = request;
    const context = {
      operation: 'merge patchset',
      target: `${patchset.change},${patchset.patchset}`,
      signal,
    };
    const plans = plan(request);
    for (const each of plans) checkPlan(each);
    const release = this.#cache.hold(plans.map(({ project }) => project));
    try {
      const made = await allOf(plans.map((each) => makeTree(this.#cache, context, each)));
      const conflict = conflictOf(made);
      if (conflict !== null) return conflict;
      const trees = made.flatMap((each) => ('tree' in each ? [each.tree] : []));
      await this.#cache.records.put(review, trees);
      return { merged: true, trees: trees.map(mergedTree) };
    } finally {
      release();
    }
  }

  reviews(): Promise<readonly string[]> {
    return this.#cache.records.reviews();
  }

  async drop(review: string): Promise<void> {
    const trees = await this.#cache.records.remove(review);
    const release = this.#cache.hold(trees.map(({ project }) => project));
    try {
      for (const tree of trees) await this.#dropTree(tree);
    } finally {
      release();
    }
  }

  /** Garbage collection removes the commits later. */
  async #dropTree(tree: MadeTree): Promise<void> {
    const needed = await this.#cache.records.revisions(tree.project);
    if (needed.has(tree.revision) || !this.#cache.holds(tree.project)) return;
    const signal = new AbortController().signal;
    const context: GitContext = { operation: 'drop merge', target: tree.project, signal };
    const refs = new Map([[treeRef(tree), null]]);
    await this.#cache.project(tree.project).use(context, (repository) => repository.setRefs(context, refs));
  }
}

/** One tree per project: the patchset's project first, with the patchset merged last in it. */
function plan({ patchset, dependencies }: Merge): readonly TreePlan[] {
  const { project, branch } = patchset;
  const plans = new Map<string, TreePlan & { readonly patches: Dependency[] }>();
  plans.set(project, { project, branch, patches: [] });
  // For a project with patches on several branches, the tree uses the patchset's own branch if it is among them.
  const ownBranchFirst = [...dependencies].sort(
    (a, b) => Number(b.branch === branch) - Number(a.branch === branch),
  );
  for (const patch of ownBranchFirst) {
    if (!plans.has(patch.project)) {
      plans.set(patch.project, { project: patch.project, branch: patch.branch, patches: [] });
    }
  }
  for (const patch of [...dependencies, patchset]) {
    const tree = plans.get(patch.project);
    if (tree?.branch === patch.branch) tree.patches.push(dependencyOf(patch));
  }
  return [...plans.values()];
}

function dependencyOf({ project, branch, change, patchset, revision, ref }: Dependency): Dependency {
  return { project, branch, change, patchset, revision, ref };
}

/** Settles only after all have ended, so that none continues in the background. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

/** The first conflict in dependency order, because later ones may be its consequence. */
function conflictOf(made: readonly TreeOutcome[]): MergeOutcome | null {
  const [own, ...others] = made;
  for (const each of own === undefined ? others : [...others, own]) {
    if (!('conflict' in each)) continue;
    const { project, change, branch } = each.conflict;
    return { merged: false, project, change, branch, files: each.files };
  }
  return null;
}

function mergedTree({ project, branch, base, revision }: MadeTree): MergedTree {
  return { project, branch, base, revision };
}
