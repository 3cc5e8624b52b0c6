/**
 * Finds all dependencies of a change, transitively and across projects. The unresolved references of a level are
 * queried together, `TERMS_LIMIT` at a time, so the number of rounds is the depth of the longest chain, which the limit
 * bounds.
 */
import type { ResolvedChange } from '../../../machines/model/domain.ts';
import {
  type DependencyNode,
  orderDependencies,
  type ResolvedReference,
  tooMany,
} from './dependency-order.ts';
import { dependsOn, type Pages, type Reference, referenceText } from './depends-on.ts';
import { dependencyOf, type QueryRow, statusOf } from './query-row.ts';

/** Queries all changes that match any of these terms. */
export type RunQuery = (terms: readonly string[]) => Promise<readonly QueryRow[]>;

export interface Found extends Pick<ResolvedChange, 'dependencies' | 'trouble'> {
  /** Gerrit does not show some dependencies, perhaps only for a while. */
  readonly missing: boolean;
}

/** Terms per query: the length of a command line is limited. */
const TERMS_LIMIT = 25;
/** References followed per message. */
const REFERENCES_LIMIT = 100;

/** @param limit maximum number of open changes that one change may depend on, in total */
export async function searchDependencies(
  root: QueryRow,
  pages: Pages,
  limit: number,
  runQuery: RunQuery,
): Promise<Found> {
  const search = new Search(root, pages, limit, runQuery);
  return search.run();
}

class Search {
  readonly #root: number;
  readonly #pages: Pages;
  readonly #limit: number;
  readonly #runQuery: RunQuery;
  readonly #rows = new Map<number, QueryRow>();
  readonly #references = new Map<number, readonly Reference[]>();
  /** Changes that each queried reference resolves to, by the reference's text. */
  readonly #resolved = new Map<string, readonly number[]>();
  #trouble: string | null = null;

  constructor(root: QueryRow, pages: Pages, limit: number, runQuery: RunQuery) {
    this.#root = root.number;
    this.#pages = pages;
    this.#limit = limit;
    this.#runQuery = runQuery;
    this.#resolved.set(String(root.number), [root.number]);
    this.#add(root);
  }

  async run(): Promise<Found> {
    // The same limit bounds the depth of a chain of stacked changes.
    for (let depth = 0; depth <= this.#limit && this.#trouble === null; depth += 1) {
      const open = this.#unresolved();
      if (open.length === 0) break;
      for (let at = 0; at < open.length; at += TERMS_LIMIT)
        await this.#resolve(open.slice(at, at + TERMS_LIMIT));
      if (this.#openNamed() > this.#limit) this.#trouble = tooMany(this.#limit);
    }
    const missing = [...this.#resolved.values()].some((changes) => changes.length === 0);
    if (this.#trouble !== null) return { dependencies: [], trouble: this.#trouble, missing };
    return { ...orderDependencies(this.#root, this.#nodes(), this.#limit), missing };
  }

  #unresolved(): readonly Reference[] {
    const open = new Map<string, Reference>();
    for (const [change, row] of this.#rows) {
      if (change !== this.#root && statusOf(row) !== 'open') continue;
      for (const reference of [...this.#named(change), ...parentsOf(row)]) {
        const text = referenceText(reference);
        if (!this.#resolved.has(text)) open.set(text, reference);
      }
    }
    return [...open.values()];
  }

  async #resolve(references: readonly Reference[]): Promise<void> {
    for (const row of await this.#runQuery(
      references.map((reference) => `change:${referenceText(reference)}`),
    )) {
      this.#add(row);
    }
    const rows = [...this.#rows.values()];
    for (const reference of references) {
      const matches = rows.filter((row) =>
        reference.by === 'number' ? row.number === reference.change : row.id === reference.id,
      );
      this.#resolved.set(
        referenceText(reference),
        matches.map(({ number }) => number),
      );
    }
  }

  #add(row: QueryRow): void {
    if (this.#rows.has(row.number)) return;
    this.#rows.set(row.number, row);
    const references = dependsOn(row.commitMessage, this.#pages);
    if (references.length > REFERENCES_LIMIT)
      this.#trouble = `${row.number} names more than ${REFERENCES_LIMIT} changes`;
    this.#references.set(row.number, references.slice(0, REFERENCES_LIMIT));
  }

  #named(change: number): readonly Reference[] {
    return this.#references.get(change) ?? [];
  }

  #openNamed(): number {
    const named = new Set<number>();
    for (const references of this.#references.values()) {
      for (const reference of references) {
        for (const change of this.#resolved.get(referenceText(reference)) ?? []) named.add(change);
      }
    }
    named.delete(this.#root);
    const isOpen = (change: number): boolean => {
      const row = this.#rows.get(change);
      return row !== undefined && statusOf(row) === 'open';
    };
    return [...named].filter(isOpen).length;
  }

  #nodes(): ReadonlyMap<number, DependencyNode> {
    const nodes = new Map<number, DependencyNode>();
    for (const [change, row] of this.#rows) {
      const dependency = dependencyOf(row, `change ${change}`);
      if (dependency === null) continue;
      const needs = this.#named(change).map((reference) => this.#needed(change, reference));
      const parents = (row.dependsOn ?? []).map(({ number }) => number);
      nodes.set(change, { status: statusOf(row), dependency, needs, parents });
    }
    return nodes;
  }

  /** The same change on other branches has the same Change-Id: a change that names its own Change-Id means those. */
  #needed(change: number, reference: Reference): ResolvedReference {
    const changes = this.#resolved.get(referenceText(reference)) ?? [];
    const others = changes.filter((other) => other !== change);
    return { named: referenceText(reference), changes: others.length > 0 ? others : changes };
  }
}

function parentsOf(row: QueryRow): readonly Reference[] {
  return (row.dependsOn ?? []).map(({ number }) => ({ by: 'number', change: number }));
}
