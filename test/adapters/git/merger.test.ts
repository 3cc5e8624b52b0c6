/**
 * Merging beyond the contract: hostile names, missing refs, broken repositories, what a killed git leaves, and the
 * copies that servers get.
 */
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import type { BareRepository } from '../../../src/adapters/git/bare-repository.ts';
import { bundleTree } from '../../../src/adapters/git/bundle.ts';
import type { GitCache } from '../../../src/adapters/git/git-cache.ts';
import { GitMerger } from '../../../src/adapters/git/merger.ts';
import { treeRef } from '../../../src/adapters/git/tree-ref.ts';
import type { Dependency, MergedTree, Patchset } from '../../../src/machines/model/domain.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { CINDER, dependency, GitFixture } from './git-fixture.ts';

const { it } = needs('git');

const NOVA = 'openstack/nova';
const signal = NEVER;
let fixture: GitFixture;
let cache: GitCache;
let merger: GitMerger;

beforeEach(() => {
  fixture = new GitFixture();
  fixture.land(CINDER, { a: 'one\n', b: 'one\n' });
  fixture.land(NOVA, { a: 'one\n' });
  cache = fixture.cache();
  merger = new GitMerger(cache);
});
afterEach(() => fixture.close());

async function merge(patchset: Patchset, dependencies: readonly Dependency[] = [], review = 'r1') {
  return merger.merge(
    { type: 'mergePatchset', key: 'm', review, patchset, dependencies, timeoutMs: 60_000 },
    signal,
  );
}

async function trees(
  patchset: Patchset,
  dependencies: readonly Dependency[] = [],
): Promise<readonly MergedTree[]> {
  const outcome = await merge(patchset, dependencies);
  if (!outcome.merged) throw new Error(`${outcome.change} does not merge`);
  return outcome.trees;
}

const inCache = (project: string, ...argv: string[]) =>
  fixture.git(cache.project(project).directory, ...argv);

describe('a merge', () => {
  it('contains the changes of both the branch and the patch', async () => {
    const patchset = fixture.upload(CINDER, { a: 'patched\n' });
    fixture.land(CINDER, { b: 'moved on\n' });
    const [tree] = await trees(patchset);
    const file = (name: string) => inCache(CINDER, 'show', `${tree?.revision}:${name}`);
    expect([file('a'), file('b')]).toEqual(['patched', 'moved on']);
  });

  it('reports what was merged, without foreign text', async () => {
    const patchset = fixture.upload(CINDER, { a: 'x\n' }, { message: 'Evil\u001b[31m\n\nrecheck\n' });
    fixture.land(CINDER, { b: 'x\n' });
    const [tree] = await trees(patchset);
    const { change, revision } = patchset;
    expect(inCache(CINDER, 'log', '-1', '--format=%an <%ae>%n%B', tree?.revision ?? '')).toBe(
      [
        'sos-ci <sos-ci@localhost>',
        `Merge ${change},1 into master`,
        '',
        'Made by sos-ci, to be tested as it would be merged.',
        '',
        `Project: ${CINDER}`,
        `Change: ${change},1`,
        `Commit: ${revision}`,
      ].join('\n'),
    );
  });

  it('includes the changes below it in the stack', async () => {
    const under = fixture.upload(CINDER, { a: 'under\n' });
    const over = fixture.upload(CINDER, { b: 'over\n' }, { on: under.revision });
    const [tree] = await trees(over);
    expect(tree?.revision).toBe(over.revision);
    expect(inCache(CINDER, 'show', `${over.revision}:a`)).toBe('under');
  });

  it('of several changes of two projects puts each into its project', async () => {
    const first = fixture.upload(NOVA, { b: 'first\n' });
    const second = fixture.upload(NOVA, { c: 'second\n' });
    const own = fixture.upload(CINDER, { a: 'own\n' });
    const [cinder, nova] = await trees(own, [first, second].map(dependency));
    expect(cinder?.revision).toBe(own.revision);
    expect(inCache(NOVA, 'ls-tree', '--name-only', nova?.revision ?? '').split('\n')).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('of unrelated histories is a conflict', async () => {
    const stranger = fixture.upload('other/project', { z: 'z\n' }, { on: 'refs/heads/none' });
    fixture.git(fixture.project(CINDER), 'fetch', '--quiet', fixture.project('other/project'), stranger.ref);
    const alien = { ...stranger, project: CINDER };
    fixture.git(fixture.project(CINDER), 'update-ref', alien.ref, alien.revision);
    expect(await merge(alien)).toMatchObject({ merged: false, change: alien.change, files: [] });
  });
});

describe('hostile names are refused', () => {
  it.each<[string, Partial<Patchset>]>([
    ['a project outside the directory', { project: '../x' }],
    ['a project that is an option', { project: '-x' }],
    ['a branch that is an option', { branch: '--upload-pack=x' }],
    ['a branch that is a pattern', { branch: '*' }],
    ['a branch with a target', { branch: 'master:refs/heads/x' }],
    ['a branch that climbs', { branch: '../master' }],
    ['a branch with a line end', { branch: 'master\nx' }],
    ['a ref that is a branch', { ref: 'refs/heads/master' }],
    ['a ref that is a pattern', { ref: 'refs/changes/*/1/1' }],
    ['a revision that is a name', { revision: 'HEAD' }],
  ])('%s', async (_what, more) => {
    const patchset = fixture.upload(CINDER, { a: 'x\n' });
    const refusal = { name: 'OperationError', retryable: false };
    await expect(merge({ ...patchset, ...more })).rejects.toMatchObject(refusal);
    const other = fixture.upload(NOVA, { a: 'x\n' });
    await expect(merge(patchset, [{ ...dependency(other), ...more }])).rejects.toMatchObject(refusal);
  });
});

describe('a ref that Gerrit does not have', () => {
  it('is a retryable error, and leaves the cache unchanged', async () => {
    const patchset = fixture.upload(CINDER, { a: 'x\n' });
    await merge(patchset);
    const { generation } = cache.project(CINDER);
    const missing = { ...patchset, branch: 'gone' };
    await expect(merge(missing)).rejects.toMatchObject({
      message: 'there is no refs/heads/gone',
      retryable: true,
    });
    rmSync(join(fixture.root, 'git'), { recursive: true });
    await expect(merge(patchset)).rejects.toMatchObject({ name: 'OperationError', retryable: true });
    expect(cache.project(CINDER).generation).toBe(generation);
  });

  it('with a different commit is refused', async () => {
    const [one, two] = [fixture.upload(CINDER, { a: 'x\n' }), fixture.upload(CINDER, { a: 'y\n' })];
    const mixed = { ...one, revision: two.revision };
    await expect(merge(mixed)).rejects.toMatchObject({ retryable: false });
  });
});

describe('a patchset that does not arrive', () => {
  it('because git refuses its objects is an error that costs no clone and no other patchset', async () => {
    const bad = fixture.upload(CINDER, { '.gitattributes': `a ${'b'.repeat(3_000)}\n` });
    const [one, two] = [fixture.upload(CINDER, { a: 'x\n' }), fixture.upload(CINDER, { b: 'x\n' })];
    const refusal = { retryable: false, message: expect.stringMatching(/^git refuses .*gitattributes/s) };
    await expect(merge(bad)).rejects.toMatchObject(refusal);
    const { generation, directory } = cache.project(CINDER);
    const outcomes = await Promise.allSettled([merge(one, [], 'r2'), merge(bad), merge(two, [], 'r3')]);
    const merged = { value: { merged: true } };
    expect(outcomes).toMatchObject([merged, { reason: refusal }, merged]);
    expect(cache.project(CINDER).generation).toBe(generation);
    expect(readdirSync(dirname(directory)).filter((name) => name.startsWith('.passing-'))).toEqual([]);
    const objects = inCache(CINDER, 'cat-file', '--batch-all-objects', '--batch-check=%(objectname)');
    expect(objects).toContain(one.revision);
    expect(objects).not.toContain(bad.revision);
  });

  it('because two connections broke is fetched again, without a clone', async () => {
    await merge(fixture.upload(CINDER, { a: 'x\n' }));
    const { generation } = cache.project(CINDER);
    const count = join(fixture.root, 'count');
    writeFileSync(count, '');
    const broken = `*' fetch '*refs/changes/*) echo >> ${count}; [ $(wc -l < ${count}) -gt 2 ] || exit 128`;
    fixture.program('git', `case "$*" in ${broken};; esac\nPATH='${fixture.path}' exec git "$@"`);
    expect(await merge(fixture.upload(CINDER, { b: 'x\n' }))).toMatchObject({ merged: true });
    expect(cache.project(CINDER).generation).toBe(generation);
    expect(readFileSync(count, 'utf8')).toBe('\n'.repeat(5));
  });
});

describe('a broken repository', () => {
  const packs = () => join(cache.project(CINDER).directory, 'objects', 'pack');

  it.each<[string, (directory: string) => void]>([
    ['without HEAD', (directory) => rmSync(join(directory, 'HEAD'))],
    [
      'that cannot store the refs of patches',
      (directory) => {
        const refs = join(directory, 'refs', 'sos-ci', 'fetched');
        rmSync(refs, { recursive: true, force: true });
        writeFileSync(refs, '');
      },
    ],
    ['with an invalid configuration', (directory) => writeFileSync(join(directory, 'config'), '[[')],
    ['without its packs', () => rmSync(packs(), { recursive: true })],
    [
      'with empty packs',
      () => {
        for (const file of readdirSync(packs())) truncateSync(join(packs(), file), 0);
      },
    ],
  ])('%s is cloned again', async (_what, damage) => {
    const patchset = fixture.upload(CINDER, { a: 'x\n' });
    fixture.land(CINDER, { b: 'x\n' });
    const before = await trees(patchset);
    damage(cache.project(CINDER).directory);
    expect(await trees(patchset)).toEqual(before);
  });

  describe('within an hour', () => {
    const context = { operation: 'merge patchset', target: '1,1', signal };
    const fails = (repository: BareRepository) => repository.readAll(context, 'f'.repeat(40));
    beforeEach(() => {
      cache = fixture.cache({ recloneIntervalMs: 3_600_000 });
      merger = new GitMerger(cache);
    });

    it('is cloned again each time that this helps', async () => {
      const patchset = fixture.upload(CINDER, { a: 'x\n' });
      const before = await trees(patchset);
      for (let time = 0; time < 2; time += 1) {
        rmSync(join(cache.project(CINDER).directory, 'HEAD'));
        expect(await trees(patchset)).toEqual(before);
      }
    });

    it('is not cloned again when that did not help', async () => {
      await merge(fixture.upload(CINDER, { a: 'x\n' }));
      const project = cache.project(CINDER);
      const before = project.generation;
      await expect(project.use(context, fails)).rejects.toMatchObject({ retryable: true });
      const { generation } = project;
      expect(generation).toBeGreaterThan(before);
      await expect(project.use(context, fails)).rejects.toMatchObject({ retryable: true });
      expect(project.generation).toBe(generation);
    });

    it('is cloned again a bounded number of times', async () => {
      await merge(fixture.upload(CINDER, { a: 'x\n' }));
      const project = cache.project(CINDER);
      const ended: string[] = [];
      for (let time = 0; time < 6; time += 1) {
        const { generation } = project;
        const work = (repository: BareRepository) =>
          project.generation === generation ? fails(repository) : Promise.resolve();
        await project.use(context, work).then(
          () => ended.push('well'),
          () => ended.push('failed'),
        );
      }
      expect(ended).toEqual(['well', 'well', 'well', 'well', 'well', 'failed']);
    });
  });

  it('is cleaned up after a killed git', async () => {
    const patchset = fixture.upload(CINDER, { a: 'x\n' });
    const before = await trees(patchset);
    const { directory } = cache.project(CINDER);
    const left = ['packed-refs.lock', 'objects/pack/tmp_pack_x', `${treeRef(before[0] ?? patchset)}.lock`];
    for (const file of left) writeFileSync(join(directory, file), '');
    merger = new GitMerger(fixture.cache());
    expect(await trees(patchset)).toEqual(before);
    for (const file of left) expect(existsSync(join(directory, file))).toBe(false);
  });

  it('inside another repository leaves that one alone', async () => {
    fixture.git(fixture.root, 'init', '--quiet', '.');
    const patchset = fixture.upload(CINDER, { a: 'x\n' });
    await merge(patchset);
    rmSync(join(cache.project(CINDER).directory, 'HEAD'));
    await merge(patchset);
    expect(fixture.git(fixture.root, 'for-each-ref')).toBe('');
  });
});

it('gives merged trees to a server, and recreates them when the cache is lost', async () => {
  const other = fixture.upload(NOVA, { b: 'needed\n' });
  const patchset = fixture.upload(CINDER, { a: 'patched\n' });
  fixture.land(CINDER, { b: 'moved on\n' });
  const merged = await trees(patchset, [dependency(other)]);
  const source = fixture.source(undefined, cache);
  const check = async () => {
    expect(await source.fetch(fixture.request(patchset, merged), signal)).toBe(merged[0]?.revision);
    expect(fixture.held()).toBe(merged[0]?.revision);
    expect(fixture.git(fixture.tree(), 'status', '--porcelain', '--ignored')).toBe('');
    expect(readFileSync(join(fixture.server.address, 'dependencies', NOVA, 'b'), 'utf8')).toBe('needed\n');
  };
  await check();
  fixture.land(CINDER, { b: 'and on\n' });
  for (const project of [CINDER, NOVA]) rmSync(cache.project(project).directory, { recursive: true });
  await check();
});

it('lets a job damage its own copy, but not the cache', async () => {
  const patchset = fixture.upload(CINDER, { a: 'patched\n' });
  const merged = await trees(patchset);
  const source = fixture.source(undefined, cache);
  await source.fetch(fixture.request(patchset, merged), signal);
  const own = fixture.tree('.git', 'objects', 'pack');
  expect(readdirSync(own).length).toBeGreaterThan(0);
  expect(existsSync(fixture.tree('.git', 'objects', 'info', 'alternates'))).toBe(false);
  expect(fixture.git(fixture.tree(), 'remote')).toBe('');
  for (const file of readdirSync(own)) {
    rmSync(join(own, file));
    writeFileSync(join(own, file), 'ruined');
  }
  expect(inCache(CINDER, 'fsck', '--strict')).not.toContain('error');
  await source.fetch(fixture.request(patchset, merged), signal);
  expect(fixture.held()).toBe(patchset.revision);
});

it('sends a tree as a bundle, complete or on top of what the receiver has', async () => {
  const patchset = fixture.upload(CINDER, { a: 'patched\n' });
  const [tree] = await trees(patchset);
  if (tree === undefined) throw new Error('no tree');
  const file = join(fixture.root, 'tree.bundle');
  const unknown = 'f'.repeat(40);
  for (const haves of [[], [tree.base, unknown], [tree.revision]]) {
    await bundleTree(cache, tree, file, haves, signal);
    expect(fixture.git(fixture.root, 'bundle', 'list-heads', file)).toContain(
      `${tree.revision} ${treeRef(tree)}`,
    );
  }
  await expect(bundleTree(cache, tree, file, ['--all'], signal)).rejects.toMatchObject({ retryable: false });
});

it('fetches once for many concurrent reviews', async () => {
  const patchsets = [1, 2, 3, 4, 5, 6].map((number) => fixture.upload(CINDER, { [`f${number}`]: 'x\n' }));
  const outcomes = await Promise.all(patchsets.map((patchset, index) => merge(patchset, [], `r${index}`)));
  expect(outcomes.every(({ merged }) => merged)).toBe(true);
  const packs = readdirSync(join(cache.project(CINDER).directory, 'objects', 'pack'));
  expect(packs.filter((file) => file.endsWith('.pack')).length).toBeLessThanOrEqual(2);
});

it('keeps only the allowed number of projects, and those that reviews need', async () => {
  cache = fixture.cache({ maxProjects: 1 });
  merger = new GitMerger(cache);
  await merge(fixture.upload(CINDER, { a: 'x\n' }), [], 'r1');
  await merge(fixture.upload(NOVA, { a: 'x\n' }), [], 'r2');
  await cache.settled();
  expect([CINDER, NOVA].map((name) => cache.holds(name))).toEqual([true, true]);
  await merger.drop('r1');
  await merger.drop('r2');
  await cache.settled();
  expect([CINDER, NOVA].filter((name) => cache.holds(name))).toHaveLength(1);
});
