/**
 * Merges in memory. Branches have made-up tips, which move when a test calls `land`; a change conflicts when a test
 * calls `conflict`. A patchset that was uploaded on the tip of its branch needs no merge until that branch moves. An
 * unknown patchset always needs one.
 */
import { createHash } from 'node:crypto';
import type { EffectOf, MergeOutcome, Merger } from '../../src/engine/ports/adapters.ts';
import type { Dependency, Failure, MergedTree } from '../../src/machines/model/domain.ts';
import { CallController, type Hold } from './call-controller.ts';

type Call = 'merge' | 'drop';
type BranchOf = Pick<Dependency, 'project' | 'branch'>;

export class FakeMerger implements Merger {
  /** Fails, holds, releases, counts and awaits calls by name: `merge`, `drop`. */
  readonly calls = new CallController<Call>();
  /** Reviews whose commits are kept. */
  readonly kept = new Set<string>();
  readonly #landed = new Map<string, number>();
  /** The tip that a revision was uploaded on. */
  readonly #base = new Map<string, string>();
  readonly #conflicts = new Map<number, readonly string[]>();

  merge(request: EffectOf<'mergePatchset'>, signal: AbortSignal): Promise<MergeOutcome> {
    return this.calls.perform('merge', signal, () => this.#merge(request));
  }

  drop(review: string): Promise<void> {
    return this.calls.perform('drop', null, () => {
      this.kept.delete(review);
    });
  }

  reviews(): Promise<readonly string[]> {
    return Promise.resolve([...this.kept]);
  }

  /** The branch's tip now. */
  tip({ project, branch }: BranchOf): string {
    return sha1(`tip of ${project} ${branch} ${this.#landed.get(`${project} ${branch}`) ?? 0}`);
  }

  /** Moves the branch. Returns its new tip. */
  land(target: BranchOf): string {
    const key = `${target.project} ${target.branch}`;
    this.#landed.set(key, (this.#landed.get(key) ?? 0) + 1);
    return this.tip(target);
  }

  /** Uploads this on the tip of its branch. */
  upload(patchset: BranchOf & { readonly revision: string }): void {
    this.#base.set(patchset.revision, this.tip(patchset));
  }

  /** From now on this change conflicts in these files; without files it merges again. */
  conflict(change: number, files: readonly string[] = ['README']): void {
    if (files.length === 0) this.#conflicts.delete(change);
    else this.#conflicts.set(change, files);
  }

  /** The next call (of this name, if given) rejects. */
  failNext(failure: Failure, call: Call | null = 'merge'): void {
    this.calls.failNext(failure, call);
  }

  /** The next merge hangs until `release`. */
  holdNext(hold: Hold = 'answer'): void {
    this.calls.holdNext(hold, 'merge');
  }

  release(): boolean {
    return this.calls.release();
  }

  #merge(request: EffectOf<'mergePatchset'>): MergeOutcome {
    const { review, patchset, dependencies } = request;
    const trees = new Map<string, MergedTree>();
    const target = ({ project, branch }: BranchOf): MergedTree => {
      const base = this.tip({ project, branch });
      return trees.get(project) ?? { project, branch, base, revision: base };
    };
    trees.set(patchset.project, target(patchset));
    for (const patch of [...dependencies, patchset]) {
      const { project, change, branch } = patch;
      const files = this.#conflicts.get(change);
      if (files !== undefined) return { merged: false, project, change, branch, files };
      const tree = target(patch);
      // There is one tree for each project, so it cannot contain a change for another branch.
      if (tree.branch !== branch) continue;
      trees.set(project, { ...tree, revision: this.#onto(tree, patch.revision) });
    }
    this.kept.add(review);
    return { merged: true, trees: [...trees.values()] };
  }

  #onto({ base, revision }: MergedTree, patch: string): string {
    const needsNoMerge = revision === base && this.#base.get(patch) === base;
    return needsNoMerge ? patch : sha1(`merge of ${patch} into ${revision}`);
  }
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
