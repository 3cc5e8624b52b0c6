/** The path that a history walked on the graph of its machine. */
import { type GraphEdge, leafPaths, type MachineGraph } from './graph.ts';
import type { LogRow } from './protocol/row.ts';

/** Versions of rows, ascending. */
type Versions = readonly number[];

export interface Walk {
  /** The graph, and an edge for each move that it does not explain, such as one of a history that was continued. */
  readonly graph: MachineGraph;
  /** The rows that took each edge. */
  readonly edges: ReadonlyMap<GraphEdge, Versions>;
  /** The rows that entered each state. */
  readonly states: ReadonlyMap<string, Versions>;
  /** The state after the newest row; null: there are no rows. */
  readonly current: string | null;
}

type Move = Pick<LogRow, 'version' | 'type' | 'state' | 'outcome' | 'effects'>;

export function walkOn(graph: MachineGraph, rows: Iterable<Move>): Walk {
  const edges = new Map<GraphEdge, number[]>();
  const states = new Map<string, number[]>();
  const added: GraphEdge[] = [];
  const stable = new Set(leafPaths(graph.states));
  let current: string | null = null;
  for (const row of rows) {
    const from = current;
    current = row.state;
    if (from === null) {
      add(states, row.state, row.version);
      continue;
    }
    const taken = edgesOf({ ...graph, edges: [...graph.edges, ...added] }, from, row);
    for (const edge of taken) {
      const isKnown = graph.edges.includes(edge) || added.includes(edge);
      // A damaged log may name states in which no history of this machine can stay.
      if (!isKnown && !(stable.has(edge.from) && stable.has(edge.to))) continue;
      if (!isKnown) added.push(edge);
      add(edges, edge, row.version);
      add(states, edge.to, row.version);
    }
  }
  return { graph: { ...graph, edges: [...graph.edges, ...added] }, edges, states, current };
}

function add<K>(map: Map<K, number[]>, key: K, version: number): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [version]);
  else if (known.at(-1) !== version) known.push(version);
}

/** The edge that the event took, and those without an event that followed; empty: the row did not leave its state. */
function edgesOf(graph: MachineGraph, from: string, row: Move): readonly GraphEdge[] {
  // A row that stays and changes no effect was handled inside its state.
  if (row.outcome !== 'moved' || (row.state === from && row.effects.length === 0)) return [];
  const starts = graph.edges
    .filter((edge) => leaves(edge, from) && edge.causes.some(({ event }) => event === row.type))
    .sort((one, other) => other.from.length - one.from.length);
  for (const start of starts) {
    const rest = eventless(graph, start.to, row.state, [start.to]);
    if (rest !== null) return [start, ...rest];
  }
  if (row.state === from) return [];
  return (
    eventless(graph, from, row.state, [from]) ?? [
      { from, to: row.state, causes: [{ event: row.type, guard: null }] },
    ]
  );
}

function leaves(edge: GraphEdge, state: string): boolean {
  return edge.from === '' || edge.from === state || state.startsWith(`${edge.from}.`);
}

/** The edges without an event from one state to another; null: there are none. */
function eventless(
  graph: MachineGraph,
  from: string,
  to: string,
  seen: readonly string[],
): readonly GraphEdge[] | null {
  if (from === to) return [];
  for (const edge of graph.edges) {
    if (seen.includes(edge.to) || !leaves(edge, from) || edge.causes.every(({ event }) => event !== null))
      continue;
    const rest = eventless(graph, edge.to, to, [...seen, edge.to]);
    if (rest !== null) return [edge, ...rest];
  }
  return null;
}
