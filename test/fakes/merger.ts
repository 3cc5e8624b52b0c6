/**
 * Merges in memory. Branches have made-up tips, which move when a test lands something; a change conflicts when a test
 * says so. A patchset that was uploaded on a branch's tip needs no merge until that branch moves; of one that was never
 * told of it is assumed that its branch has moved since.
 */
import { createHash } from 'node:crypto';
import type { EffectOf, MergeOutcome, Merger } from '../../src/engine/ports/adapters.ts';
import type { Dependency, Failure, MergedTree } from '../../src/machines/model/domain.ts';
import { type Hold, Rehearsal } from './rehearsal.ts';

type Call = 'merge' | 'drop';
type BranchOf = Pick<Dependency, 'project' | 'branch'>;

export class FakeMerger implements Merger {
  /** Prepare, hold, release, count and await calls by name: `merge`, `drop`. */
  readonly calls = new Rehearsal<Call>();
  /** Reviews whose commits are kept. */
  readonly kept = new Set<string>();
  readonly #landed = new Map<string, number>();
  /** The tip that a revision was uploaded on. */
  readonly #base = new Map<string, string>();
  readonly #conflicts = new Map<number, readonly string[]>();

  merge(request: EffectOf<'mergePatchset'>, signal: AbortSignal): Promise<MergeOutcome> {
    return this.calls.play('merge', signal, () => this.#merge(request));
  }

  drop(review: string): Promise<void> {
    return this.calls.play('drop', null, () => {
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

  /** The branch moves on. Returns its new tip. */
  land(target: BranchOf): string {
    const key = `${target.project} ${target.branch}`;
    this.#landed.set(key, (this.#landed.get(key) ?? 0) + 1);
    return this.tip(target);
  }

  /** Uploads this on the tip of its branch. */
  upload(patchset: BranchOf & { readonly revision: string }): void {
    this.#base.set(patchset.revision, this.tip(patchset));
  }

  /** From now on this change does not merge; with no files it does again. */
  conflict(change: number, files: readonly string[] = ['README']): void {
    if (files.length === 0) this.#conflicts.delete(change);
    else this.#conflicts.set(change, files);
  }

  /** The next call (of this name, when given) rejects. */
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
      // One tree for each project: what is meant for another branch of it cannot be in there.
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
