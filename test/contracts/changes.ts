/**
 * The contract of change lookups, on a real, embedded or fake Gerrit. The harness provides projects `openstack/cinder`
 * and `openstack/nova`, and users who upload, vote and close.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Changes } from '../../src/engine/ports/adapters.ts';
import type { Dependency, Patchset } from '../../src/machines/model/domain.ts';

export interface Upload {
  readonly project: string;
  readonly files?: readonly string[];
  /** Changes that its commit message names as dependencies. */
  readonly dependsOn?: readonly Patchset[];
  /** The patchset that its commit is stacked on. */
  readonly on?: Patchset;
}

export interface ChangesHarness {
  readonly changes: Changes;
  /** A new open change with one patchset. */
  upload(wanted: Upload): Promise<Patchset>;
  /** Its next patchset. */
  amend(patchset: Patchset, wanted: Upload): Promise<Patchset>;
  vote(patchset: Patchset, account: string, label: string, value: number): Promise<void>;
  /** Private changes are hidden from the account that queries. */
  turn(patchset: Patchset, into: 'wip' | 'private' | 'merged' | 'abandoned'): Promise<void>;
  close(): Promise<void>;
}

export function changesContract(name: string, start: () => Promise<ChangesHarness>): void {
  describe(`changes contract: ${name}`, () => {
    let harness: ChangesHarness;
    const signal = new AbortController().signal;
    const [cinder, nova] = ['openstack/cinder', 'openstack/nova'] as const;

    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.close());

    const lookUp = (patchset: Patchset, dependencyLimit = 10) =>
      harness.changes.lookUp(
        { type: 'lookUpChange', key: 'look', patchset, dependencyLimit, timeoutMs: 60_000 },
        signal,
      );
    const needed = async (patchset: Patchset, limit?: number) => {
      const { dependencies, trouble } = await lookUp(patchset, limit);
      expect(trouble).toBeNull();
      return dependencies;
    };

    test('an open change, with its files', async () => {
      const patchset = await harness.upload({ project: cinder, files: ['cinder/volume.py', 'doc/a b.rst'] });
      const { files, ...rest } = await lookUp(patchset);
      expect([...(files ?? [])].sort()).toEqual(['cinder/volume.py', 'doc/a b.rst']);
      expect(rest).toEqual({
        status: 'open',
        current: 1,
        branch: patchset.branch,
        wip: false,
        private: false,
        votes: [],
        dependencies: [],
        trouble: null,
      });
    });

    test('a patchset that is no longer current', async () => {
      const first = await harness.upload({ project: cinder });
      const second = await harness.amend(first, { project: cinder, files: ['later'] });
      expect(await lookUp(first)).toMatchObject({ status: 'open', current: 2 });
      expect(await lookUp(second)).toMatchObject({ current: 2, files: ['later'] });
    });

    test('a patchset that Gerrit does not show yet is a retryable error', async () => {
      const first = await harness.upload({ project: cinder });
      const next = { ...first, patchset: 2, ref: first.ref.replace(/1$/, '2') };
      await expect(lookUp(next)).rejects.toMatchObject({ name: 'OperationError', retryable: true });
    });

    test.each(['merged', 'abandoned'] as const)('a change that is %s', async (status) => {
      const patchset = await harness.upload({ project: cinder });
      await harness.turn(patchset, status);
      expect(await lookUp(patchset)).toMatchObject({ status, current: 1, dependencies: [], trouble: null });
    });

    test('work in progress', async () => {
      const wip = await harness.upload({ project: cinder });
      await harness.turn(wip, 'wip');
      expect(await lookUp(wip)).toMatchObject({ status: 'open', wip: true, private: false });
    });

    test('a hidden change', async () => {
      const patchset = await harness.upload({ project: cinder });
      await harness.turn(patchset, 'private');
      expect(await lookUp(patchset)).toMatchObject({ status: 'missing', current: 0, files: null });
      const other = await harness.upload({ project: nova, dependsOn: [patchset] });
      expect(await lookUp(other)).toMatchObject({ trouble: expect.stringContaining(`${patchset.change}`) });
    });

    test('the current votes, by account', async () => {
      const patchset = await harness.upload({ project: cinder });
      await harness.vote(patchset, 'zuul', 'Verified', -1);
      await harness.vote(patchset, 'zuul', 'Verified', 1);
      await harness.vote(patchset, 'dev', 'Code-Review', -1);
      const { votes } = await lookUp(patchset);
      expect([...votes].sort((a, b) => (a.account < b.account ? -1 : 1))).toEqual([
        { account: 'dev', label: 'Code-Review', value: -1 },
        { account: 'zuul', label: 'Verified', value: 1 },
      ]);
    });

    test('the dependencies of a change across projects, each after those that it depends on', async () => {
      const deep = await harness.upload({ project: nova });
      const left = await harness.upload({ project: cinder, dependsOn: [deep] });
      const right = await harness.upload({ project: nova, dependsOn: [deep] });
      const patchset = await harness.upload({ project: cinder, dependsOn: [left, right] });
      expect(await needed(patchset)).toEqual([deep, left, right].map(dependency));
    });

    test('the current patchset of a dependency', async () => {
      const other = await harness.upload({ project: nova });
      const patchset = await harness.upload({ project: cinder, dependsOn: [other] });
      const newer = await harness.amend(other, { project: nova });
      expect(await needed(patchset)).toEqual([dependency(newer)]);
    });

    test('a merged dependency is left out, and its dependencies too', async () => {
      const abandoned = await harness.upload({ project: nova });
      const merged = await harness.upload({ project: nova, dependsOn: [abandoned] });
      const patchset = await harness.upload({ project: cinder, dependsOn: [merged] });
      await harness.turn(abandoned, 'abandoned');
      await harness.turn(merged, 'merged');
      expect(await needed(patchset)).toEqual([]);
    });

    test('the dependencies of the changes below it in the stack, but not those changes', async () => {
      const other = await harness.upload({ project: nova });
      const under = await harness.upload({ project: cinder, files: ['under'], dependsOn: [other] });
      const between = await harness.upload({ project: cinder, files: ['between'], on: under });
      const patchset = await harness.upload({ project: cinder, files: ['over'], on: between });
      expect(await needed(patchset)).toEqual([dependency(other)]);
      expect((await lookUp(patchset)).files).toEqual(['over']);
    });

    test('an abandoned dependency is an error', async () => {
      const other = await harness.upload({ project: nova });
      const patchset = await harness.upload({ project: cinder, dependsOn: [other] });
      await harness.turn(other, 'abandoned');
      const { dependencies, trouble } = await lookUp(patchset);
      expect(dependencies).toEqual([]);
      expect(trouble).toContain(String(other.change));
      expect(trouble).toContain('abandoned');
    });

    test('a missing dependency is an error', async () => {
      const missing = { ...(await harness.upload({ project: nova })), change: 999_999 };
      const patchset = await harness.upload({ project: cinder, dependsOn: [missing] });
      const { trouble } = await lookUp(patchset);
      expect(trouble).toContain('999999');
    });

    test('a cycle is an error that names it', async () => {
      const first = await harness.upload({ project: cinder });
      const second = await harness.upload({ project: nova, dependsOn: [first] });
      const third = await harness.upload({ project: nova, dependsOn: [second] });
      const again = await harness.amend(first, { project: cinder, dependsOn: [third] });
      const { dependencies, trouble } = await lookUp(again);
      expect(dependencies).toEqual([]);
      expect(trouble).toContain('cycle');
      for (const { change } of [again, second, third]) expect(trouble).toContain(String(change));
    });

    test('more dependencies than the limit are an error', async () => {
      const first = await harness.upload({ project: nova });
      const second = await harness.upload({ project: nova, dependsOn: [first] });
      const patchset = await harness.upload({ project: cinder, dependsOn: [second] });
      expect(await needed(patchset, 2)).toHaveLength(2);
      const { dependencies, trouble } = await lookUp(patchset, 1);
      expect(dependencies).toEqual([]);
      expect(trouble).toContain('more than 1 ');
    });

    test('a lookup that was aborted before it began is a retryable error', async () => {
      const patchset = await harness.upload({ project: cinder });
      const wanted = { type: 'lookUpChange', key: 'l', patchset, dependencyLimit: 1, timeoutMs: 1 } as const;
      await expect(harness.changes.lookUp(wanted, AbortSignal.abort())).rejects.toMatchObject({
        name: 'OperationError',
        retryable: true,
      });
    });
  });
}

function dependency({ project, branch, change, patchset, revision, ref }: Patchset): Dependency {
  return { project, branch, change, patchset, revision, ref };
}
