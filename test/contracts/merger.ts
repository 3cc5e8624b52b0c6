/**
 * The contract of mergers: git, or a fake. The harness provides projects with a branch `master` each, whose tips can be
 * moved, and patchsets on them.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EffectOf, MergeOutcome, Merger } from '../../src/engine/ports/adapters.ts';
import type { Dependency, MergedTree, Patchset } from '../../src/machines/model/domain.ts';

export interface MergerHarness {
  readonly merger: Merger;
  /** A patchset of a new change, on the current tip of its branch. */
  upload(project: string): Promise<Patchset>;
  /** Adds an unrelated commit to the project's branch. Returns the new tip. */
  land(project: string): Promise<string>;
  tip(project: string): Promise<string>;
  /** From now on this patchset conflicts with the tip of its branch, in these files. */
  conflict(patchset: Patchset): Promise<readonly string[]>;
  /** Whether the review's commits are kept. */
  keeps(review: string, trees: readonly MergedTree[]): Promise<boolean>;
  close(): Promise<void>;
}

export function mergerContract(name: string, start: () => Promise<MergerHarness>): void {
  describe(`merger contract: ${name}`, () => {
    let harness: MergerHarness;
    const signal = new AbortController().signal;
    const [cinder, nova] = ['openstack/cinder', 'openstack/nova'] as const;

    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.close());

    function request(
      patchset: Patchset,
      dependencies: readonly Dependency[] = [],
    ): EffectOf<'mergePatchset'> {
      const timeoutMs = 60_000;
      return { type: 'mergePatchset', key: 'merge', review: 'r1', patchset, dependencies, timeoutMs };
    }
    const merge = (patchset: Patchset, dependencies: readonly Dependency[] = []) =>
      harness.merger.merge(request(patchset, dependencies), signal);

    function treesOf(outcome: MergeOutcome): readonly MergedTree[] {
      if (!outcome.merged) throw new Error(`change ${outcome.change} did not merge`);
      return outcome.trees;
    }

    test('a patchset on the tip of its branch is tested unchanged', async () => {
      const patchset = await harness.upload(cinder);
      const base = await harness.tip(cinder);
      expect(treesOf(await merge(patchset))).toEqual([
        { project: cinder, branch: 'master', base, revision: patchset.revision },
      ]);
    });

    test('a patchset that is behind its branch is merged with the tip', async () => {
      const patchset = await harness.upload(cinder);
      const base = await harness.land(cinder);
      const [tree] = treesOf(await merge(patchset));
      expect(tree).toMatchObject({ project: cinder, branch: 'master', base });
      expect(tree?.revision).toMatch(/^[0-9a-f]{40}$/);
      expect([base, patchset.revision]).not.toContain(tree?.revision);
    });

    test('the same merge gives the same commit, and a different tip gives a different one', async () => {
      const patchset = await harness.upload(cinder);
      await harness.land(cinder);
      const first = treesOf(await merge(patchset));
      expect(treesOf(await merge(patchset))).toEqual(first);
      const base = await harness.land(cinder);
      const [second] = treesOf(await merge(patchset));
      expect(second?.base).toBe(base);
      expect(second?.revision).not.toBe(first[0]?.revision);
    });

    test('a dependency in its own project is merged into the same tree', async () => {
      const other = await harness.upload(cinder);
      const patchset = await harness.upload(cinder);
      const trees = treesOf(await merge(patchset, [other]));
      expect(trees).toHaveLength(1);
      expect([other.revision, patchset.revision, trees[0]?.base]).not.toContain(trees[0]?.revision);
    });

    test('dependencies in other projects give further trees, after that of its own project', async () => {
      const other = await harness.upload(nova);
      const patchset = await harness.upload(cinder);
      const trees = treesOf(await merge(patchset, [other]));
      expect(trees.map(({ project, revision }) => ({ project, revision }))).toEqual([
        { project: cinder, revision: patchset.revision },
        { project: nova, revision: other.revision },
      ]);
    });

    test('a dependency for another branch of the project is in no tree', async () => {
      const other = await harness.upload(cinder);
      const patchset = await harness.upload(cinder);
      const trees = treesOf(await merge(patchset, [{ ...other, branch: 'stable/2026.1' }]));
      expect(trees.map(({ revision }) => revision)).toEqual([patchset.revision]);
    });

    test('a conflict names the change, its branch and the files, and keeps nothing', async () => {
      const patchset = await harness.upload(cinder);
      const files = await harness.conflict(patchset);
      const outcome = await merge(patchset);
      const { change } = patchset;
      expect(outcome).toEqual({ merged: false, project: cinder, change, branch: 'master', files });
      expect(await harness.keeps('r1', [])).toBe(false);
    });

    test('a conflict of a dependency names that change', async () => {
      const other = await harness.upload(nova);
      const files = await harness.conflict(other);
      const outcome = await merge(await harness.upload(cinder), [other]);
      const { change } = other;
      expect(outcome).toEqual({ merged: false, project: nova, change, branch: 'master', files });
    });

    test('the commits are kept until the review is dropped, which may be repeated', async () => {
      const patchset = await harness.upload(cinder);
      await harness.land(cinder);
      const trees = treesOf(await merge(patchset));
      expect(await harness.keeps('r1', trees)).toBe(true);
      await harness.merger.drop('r1');
      await harness.merger.drop('r1');
      await harness.merger.drop('never-heard-of');
      expect(await harness.keeps('r1', trees)).toBe(false);
    });

    test('a merge that was aborted before it began is a retryable error', async () => {
      const wanted = request(await harness.upload(cinder));
      await expect(harness.merger.merge(wanted, AbortSignal.abort())).rejects.toMatchObject({
        name: 'OperationError',
        retryable: true,
      });
    });
  });
}
