/**
 * Makes merged trees in the cache: all patches of one project on the tip of a branch. Remakes them on the original tip
 * when the repository has been lost.
 */
import { randomBytes } from 'node:crypto';
import { OperationError } from '../../errors.ts';
import type { Dependency, MergedTree } from '../../machines/model/domain.ts';
import type { BareRepository, GitContext, RefAt } from './bare-repository.ts';
import type { CachedRepository } from './cached-repository.ts';
import { GitFailed } from './command.ts';
import { branchRef, checkPatchset } from './fetch-url.ts';
import type { GitCache } from './git-cache.ts';
import { type Merged, mergeOnto, type Patch } from './merge-onto.ts';
import type { MadeTree } from './merge-record.ts';
import { FETCHED, tipRef, treeRef } from './tree-ref.ts';

/** The inputs of one tree. */
export interface TreePlan {
  readonly project: string;
  readonly branch: string;
  /** In merge order. */
  readonly patches: readonly Dependency[];
}

export type TreeOutcome = { readonly tree: MadeTree } | Extract<Merged, { readonly conflict: unknown }>;

/** Throws for names that are not safe to pass to git. */
export function checkPlan({ project, branch, patches }: TreePlan): void {
  branchRef(project, branch);
  for (const patch of patches) checkPatchset(patch);
}

export async function makeTree(cache: GitCache, context: GitContext, plan: TreePlan): Promise<TreeOutcome> {
  const project = cache.project(plan.project);
  return project.use(context, (repository) => makeIn(project, repository, context, plan, null));
}

/** Runs `work` on the tree's repository. When the tree cannot be read, remakes it and runs `work` again. */
export async function withTree<T>(
  cache: GitCache,
  context: GitContext,
  tree: MergedTree,
  work: (repository: BareRepository) => Promise<T>,
): Promise<T> {
  const project = cache.project(tree.project);
  const { generation } = project;
  try {
    return await project.useOnce(context, work);
  } catch (error) {
    if (!(error instanceof GitFailed) || context.signal.aborted) throw error;
    const state = await stateOf(project, context, tree);
    if (state === 'intact') throw error;
    if (state === 'broken') await project.renew(context, generation);
    await remake(cache, context, tree, project);
    return await project.useOnce(context, work);
  }
}

async function stateOf(
  project: CachedRepository,
  context: GitContext,
  tree: MergedTree,
): Promise<'intact' | 'missing' | 'broken'> {
  try {
    return await project.useOnce(context, async (repository) => {
      const refs = await repository.refs(context, [treeRef(tree)]);
      if (!refs.has(treeRef(tree))) return 'missing';
      await repository.readAll(context, tree.revision);
      return 'intact';
    });
  } catch (error) {
    if (error instanceof GitFailed && !context.signal.aborted) return 'broken';
    throw error;
  }
}

async function remake(
  cache: GitCache,
  context: GitContext,
  tree: MergedTree,
  project: CachedRepository,
): Promise<void> {
  const made = await cache.records.find(tree);
  if (made === null) throw treeLost(context, tree, 'and there is no record of how it was made');
  const base = { revision: made.base, committedAt: made.baseAt };
  const remade = await project.use(context, (repository) => makeIn(project, repository, context, made, base));
  if (!('tree' in remade) || remade.tree.revision !== tree.revision) {
    throw treeLost(context, tree, 'and it cannot be recreated identically');
  }
}

/** @param onto null: the current tip of the branch */
async function makeIn(
  project: CachedRepository,
  repository: BareRepository,
  context: GitContext,
  plan: TreePlan,
  onto: RefAt | null,
): Promise<TreeOutcome> {
  const { branch, patches } = plan;
  const directory = `${FETCHED}${randomBytes(8).toString('hex')}/`;
  const localRef = ({ change, patchset }: Dependency): string => `${directory}${change}-${patchset}`;
  await project.fetch(context, [
    { ref: branchRef(plan.project, branch), as: tipRef(branch) },
    ...patches.map((patch) => ({ ref: patch.ref, as: localRef(patch) })),
  ]);
  const refs = await repository.refs(context, [tipRef(branch), directory]);
  const tip = onto ?? refs.get(tipRef(branch));
  if (tip === undefined) throw unusable(context, `the branch ${branch} is not a commit`);
  const dated = patches.map((patch) => dateOf(patch, refs.get(localRef(patch)), context));
  const merged = await mergeOnto(repository, context, tip, dated);
  const done = new Map<string, string | null>(patches.map((patch) => [localRef(patch), null]));
  if ('conflict' in merged) {
    await repository.setRefs(context, done);
    return merged;
  }
  const { revision } = merged;
  await repository.setRefs(context, done.set(treeRef({ revision }), revision));
  const { revision: base, committedAt: baseAt } = tip;
  return { tree: { project: plan.project, branch, base, baseAt, revision, patches } };
}

function dateOf(patch: Dependency, at: RefAt | undefined, context: GitContext): Patch {
  if (at?.revision === patch.revision) return { ...patch, committedAt: at.committedAt };
  const actual = at === undefined ? 'no commit' : at.revision;
  throw unusable(context, `Gerrit reported ${patch.revision}, ${patch.ref} points to ${actual}`);
}

function unusable({ operation, target }: GitContext, message: string): OperationError {
  const hint = 'check that gerrit.fetchUrl is the same Gerrit, or a mirror that is up to date';
  return new OperationError({ operation, target, message, retryable: false, hint });
}

function treeLost({ operation }: GitContext, tree: MergedTree, why: string): OperationError {
  return new OperationError({
    operation,
    target: `${tree.project} ${tree.revision}`,
    message: `the merged commit is no longer in the cache, ${why}`,
    retryable: false,
    hint: 'request a recheck',
  });
}
