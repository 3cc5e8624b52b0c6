/**
 * Orders the dependencies of a change for merging, or says why there is no order. Pure: the caller supplies Gerrit's
 * data.
 */
import type { Dependency, ResolvedChange } from '../../../machines/model/domain.ts';

/** The dependency-related fields of one change. */
export interface DependencyNode {
  readonly status: 'open' | 'merged' | 'abandoned';
  readonly dependency: Dependency;
  /** Changes that the commit message names. */
  readonly needs: readonly ResolvedReference[];
  /** Changes that the commit is stacked on. Git merges them along with it, and their dependencies are needed too. */
  readonly parents: readonly number[];
}

/** The changes that one reference resolves to; empty when Gerrit shows none. */
export interface ResolvedReference {
  /** The reference as written in the message, for display. */
  readonly named: string;
  readonly changes: readonly number[];
}

/** Why there is no order, worded for a review comment. */
class DependencyError extends Error {
  override readonly name = 'DependencyError';
}

export function orderDependencies(
  root: number,
  nodes: ReadonlyMap<number, DependencyNode>,
  limit: number,
): Pick<ResolvedChange, 'dependencies' | 'trouble'> {
  try {
    const dependencies = new Order(root, nodes, limit).read();
    return { dependencies, trouble: null };
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    return { dependencies: [], trouble: error.message };
  }
}

export function tooMany(limit: number): string {
  return `it depends on more than ${limit} changes that are not merged yet`;
}

/** Depth-first walk: the dependencies of a change come before the change. */
class Order {
  readonly #root: number;
  readonly #nodes: ReadonlyMap<number, DependencyNode>;
  readonly #limit: number;
  readonly #done = new Set<number>();
  readonly #path: number[] = [];
  /** Changes that a message names. A stacked change that no message names needs no separate merge. */
  readonly #named = new Set<number>();
  readonly #ordered: number[] = [];

  constructor(root: number, nodes: ReadonlyMap<number, DependencyNode>, limit: number) {
    this.#root = root;
    this.#nodes = nodes;
    this.#limit = limit;
  }

  read(): readonly Dependency[] {
    this.#visit(this.#root);
    const found = this.#ordered.filter((change) => change !== this.#root && this.#named.has(change));
    if (found.length > this.#limit) throw new DependencyError(tooMany(this.#limit));
    return found.flatMap((change) => this.#nodes.get(change)?.dependency ?? []);
  }

  #visit(change: number): void {
    const node = this.#nodes.get(change);
    if (node === undefined || this.#done.has(change)) return;
    if (this.#path.includes(change)) throw new DependencyError(this.#cycle(change));
    this.#path.push(change);
    for (const parent of node.parents) {
      if (this.#nodes.get(parent)?.status === 'open') this.#visit(parent);
    }
    for (const reference of node.needs) this.#follow(change, reference);
    this.#path.pop();
    this.#done.add(change);
    this.#ordered.push(change);
  }

  #follow(from: number, { named, changes }: ResolvedReference): void {
    const needs = from === this.#root ? 'it depends on' : `it depends on ${from}, which depends on`;
    const statuses = changes.map((change) => this.#nodes.get(change)?.status);
    if (!statuses.some((status) => status !== undefined)) {
      throw new DependencyError(`${needs} ${named}, which does not exist or is not visible to this CI`);
    }
    if (statuses.every((status) => status === 'abandoned')) {
      throw new DependencyError(`${needs} ${named}, which is abandoned`);
    }
    for (const change of changes) {
      if (this.#nodes.get(change)?.status !== 'open') continue;
      this.#named.add(change);
      this.#visit(change);
    }
  }

  #cycle(repeated: number): string {
    const path = [...this.#path.slice(this.#path.indexOf(repeated)), repeated];
    return `its dependencies form a cycle: ${path.join(' -> ')}`;
  }
}
