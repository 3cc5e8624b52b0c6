/** What the formats of a picture share: a machine's graph, the path that a history walked on it, and the labels. */
import type { GraphEdge, GraphState, MachineGraph } from '../../machines/graph.ts';
import type { Walk } from '../../machines/walk.ts';

export interface Drawing {
  readonly title: string;
  readonly graph: MachineGraph;
  /** Null: only the machine. */
  readonly walk: Walk | null;
}

export type Mark = 'current' | 'visited' | 'none';

/** At most so many rows are listed on an edge. */
const SHOWN_ROWS = 6;

function statesIn(states: readonly GraphState[]): readonly GraphState[] {
  return states.flatMap((state) => [state, ...statesIn(state.children)]);
}

/** The states that have children, and '' for the machine, that an edge leaves: each gets a node `any of ...`. */
export function groupsLeft({ states, edges }: MachineGraph): ReadonlySet<string> {
  const groups = new Set([
    '',
    ...statesIn(states).flatMap((one) => (one.children.length > 0 ? one.path : [])),
  ]);
  return new Set(edges.map(({ from }) => from).filter((from) => groups.has(from)));
}

export function groupLabel(group: string): string {
  return group === '' ? 'any state' : `any of ${group}`;
}

export function markOf({ walk }: Drawing, path: string): Mark {
  if (walk === null) return 'none';
  if (walk.current === path) return 'current';
  return walk.states.has(path) ? 'visited' : 'none';
}

/** Empty: the history did not take it. */
export function rowsOn({ walk }: Drawing, edge: GraphEdge): readonly number[] {
  return walk?.edges.get(edge) ?? [];
}

/** The rows that took the edge, then its causes, one a line. */
export function edgeLines(drawing: Drawing, edge: GraphEdge): readonly string[] {
  const rows = rowsOn(drawing, edge);
  const shown = rows.slice(0, SHOWN_ROWS).join(', ');
  const more = rows.length > SHOWN_ROWS ? ` and ${rows.length - SHOWN_ROWS} more` : '';
  const label = `${rows.length === 1 ? 'row' : 'rows'} ${shown}${more}`;
  const causes = edge.causes.map(({ event, guard }) =>
    guard === null ? (event ?? 'at once') : `${event ?? ''} [${guard}]`.trimStart(),
  );
  return [...(rows.length === 0 ? [] : [label]), ...new Set(causes)];
}
