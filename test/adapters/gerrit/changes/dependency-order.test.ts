/** The order in which dependencies are merged, for every small graph, compared with a plain definition. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DependencyNode,
  orderDependencies,
} from '../../../../src/adapters/gerrit/changes/dependency-order.ts';
import { runs } from '../../../fixtures/effort.ts';

interface Drawn {
  readonly needs?: readonly number[];
  readonly parents?: readonly number[];
  readonly status?: DependencyNode['status'];
}

function graph(drawn: Readonly<Record<number, Drawn>>): Map<number, DependencyNode> {
  return new Map(
    Object.entries(drawn).map(([key, { needs = [], parents = [], status = 'open' }]) => {
      const change = Number(key);
      const revision = String(change).padStart(40, '0');
      const dependency = { project: 'p', branch: 'b', change, patchset: 1, revision, ref: `r${change}` };
      const named = needs.map((need) => ({ named: String(need), changes: [need] }));
      return [change, { status, dependency, needs: named, parents }];
    }),
  );
}

function order(drawn: Readonly<Record<number, Drawn>>, limit = 100) {
  const { dependencies, trouble } = orderDependencies(1, graph(drawn), limit);
  return trouble ?? dependencies.map(({ change }) => change);
}

describe('dependencies', () => {
  it('are in the order in which they are named, each after its own dependencies', () => {
    expect(order({ 1: { needs: [3, 2] }, 2: {}, 3: {} })).toEqual([3, 2]);
    expect(order({ 1: { needs: [2] }, 2: { needs: [3] }, 3: {} })).toEqual([3, 2]);
    expect(order({ 1: { needs: [2, 3] }, 2: { needs: [3] }, 3: {} })).toEqual([3, 2]);
  });

  it('include those of parent commits, but parent commits only if they are named', () => {
    expect(order({ 1: { parents: [2] }, 2: { needs: [3] }, 3: {} })).toEqual([3]);
    expect(order({ 1: { parents: [2], needs: [2] }, 2: { parents: [4] }, 4: { needs: [3] }, 3: {} })).toEqual(
      [3, 2],
    );
    expect(order({ 1: { parents: [2, 9] }, 2: { needs: [3], status: 'abandoned' } })).toEqual([]);
  });

  it('that are merged are left out, with everything that they needed', () => {
    expect(order({ 1: { needs: [2] }, 2: { needs: [3], status: 'merged' } })).toEqual([]);
  });

  it('with one Change-Id on several branches are the open ones', () => {
    const nodes = graph({ 1: {}, 2: { status: 'abandoned' }, 3: {}, 4: { status: 'merged' } });
    const root = { ...nodes.get(1), needs: [{ named: 'Iabc', changes: [2, 3, 4] }] } as DependencyNode;
    const { dependencies, trouble } = orderDependencies(1, nodes.set(1, root), 9);
    expect({ trouble, changes: dependencies.map(({ change }) => change) }).toEqual({
      trouble: null,
      changes: [3],
    });
  });
});

describe('an error', () => {
  it.each<[string, Record<number, Drawn>, string]>([
    ['itself', { 1: { needs: [1] } }, '1 -> 1'],
    ['a pair', { 1: { needs: [2] }, 2: { needs: [1] } }, '1 -> 2 -> 1'],
    [
      'farther down',
      { 1: { needs: [2] }, 2: { needs: [3] }, 3: { needs: [4] }, 4: { needs: [3] } },
      '3 -> 4 -> 3',
    ],
    ['through the stack', { 1: { parents: [2] }, 2: { needs: [1] } }, '1 -> 2 -> 1'],
  ])('a cycle: %s', (_what, drawn, cycle) => {
    expect(order(drawn)).toBe(`its dependencies form a cycle: ${cycle}`);
  });

  it('abandoned and missing, direct and indirect', () => {
    expect(order({ 1: { needs: [2] }, 2: { status: 'abandoned' } })).toBe(
      'it depends on 2, which is abandoned',
    );
    expect(order({ 1: { needs: [2] }, 2: { needs: [3] } })).toBe(
      'it depends on 2, which depends on 3, which does not exist or is not visible to this CI',
    );
  });

  it('too many, merged ones not counted', () => {
    const many = { 1: { needs: [2, 3, 4] }, 2: {}, 3: {}, 4: { status: 'merged' as const } };
    expect(order(many, 2)).toEqual([2, 3]);
    expect(order(many, 1)).toContain('more than 1 ');
  });
});

it('is correct for every graph: everything that is needed, each after its dependencies, or the reason why not', () => {
  const node = fc.record({
    needs: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: 3 }),
    parents: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: 2 }),
    status: fc.constantFrom('open', 'open', 'open', 'merged', 'abandoned'),
  });
  const drawing = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 6 }), node), {
    selector: ([key]) => key,
  });
  fc.assert(
    fc.property(drawing, fc.integer({ min: 0, max: 5 }), (nodes, limit) => {
      const drawn: Record<number, Drawn> = { 1: {}, ...Object.fromEntries(nodes) };
      const found = order(drawn, limit);
      if (typeof found === 'string') {
        expect(found).toMatch(/cycle|abandoned|does not exist|more than/);
        return;
      }
      expect(found.length).toBeLessThanOrEqual(limit);
      expect(new Set(found).size).toBe(found.length);
      expect(found).not.toContain(1);
      for (const change of [1, ...found]) {
        for (const need of drawn[change]?.needs ?? []) {
          expect(drawn[need]?.status).toMatch(/open|merged/);
          if (drawn[need]?.status === 'open') expect(found).toContain(need);
          const before = change === 1 ? found : found.slice(0, found.indexOf(change));
          if (drawn[need]?.status === 'open') expect(before).toContain(need);
        }
      }
    }),
    { numRuns: runs(2_000) },
  );
});
