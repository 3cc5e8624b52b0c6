/** A machine as a graph, for pictures: its states, and the transitions that leave or enter one. */
import type { AnyStateMachine, AnyStateNode } from 'xstate';

export interface GraphState {
  /** Dotted: `testing.running`. */
  readonly path: string;
  readonly name: string;
  readonly children: readonly GraphState[];
  /** A history that is here has ended. */
  readonly ended: boolean;
}

/** What takes a history from one state to another. */
export interface GraphCause {
  /** Null: nothing; the state is left as soon as the guard holds. */
  readonly event: string | null;
  /** Null: no condition. */
  readonly guard: string | null;
}

/** All transitions between two states. */
export interface GraphEdge {
  /** A state, or one that has children: then the transition leaves each of them. '': it leaves every state. */
  readonly from: string;
  /** A state without children. */
  readonly to: string;
  readonly causes: readonly GraphCause[];
}

export interface MachineGraph {
  readonly states: readonly GraphState[];
  /** The first state of a history. */
  readonly initial: string;
  readonly edges: readonly GraphEdge[];
}

interface Transition {
  readonly eventType: string;
  readonly guard?: unknown;
  readonly target: readonly AnyStateNode[] | undefined;
}

export function machineGraph({ root }: AnyStateMachine): MachineGraph {
  const edges = new Map<string, GraphEdge>();
  addEdges(root, edges);
  return {
    states: childrenOf(root),
    initial: firstState(root),
    edges: [...edges.values()],
  };
}

/** The states without children. */
export function leafPaths(states: readonly GraphState[]): readonly string[] {
  return states.flatMap(({ path, children }) => (children.length === 0 ? [path] : leafPaths(children)));
}

/** The names of the events that a history takes in this state, sorted. */
export function eventsTaken(machine: AnyStateMachine, state: string): readonly string[] {
  const names = new Set<string>();
  let node: AnyStateNode | undefined = machine.root;
  for (const name of ['', ...state.split('.')]) {
    if (name !== '') node = node?.states[name];
    for (const event of node?.transitions.keys() ?? []) names.add(event);
  }
  return [...names].filter((name) => name !== '').sort();
}

function childrenOf(node: AnyStateNode): readonly GraphState[] {
  return Object.values(node.states).map((child) => ({
    path: pathOf(child),
    name: child.key,
    children: childrenOf(child),
    ended: child.tags.includes('ended'),
  }));
}

function addEdges(node: AnyStateNode, edges: Map<string, GraphEdge>): void {
  const transitions: readonly Transition[] = [
    ...[...node.transitions.values()].flat(),
    ...(node.always ?? []),
  ];
  for (const transition of transitions) {
    for (const target of transition.target ?? []) {
      const [from, to] = [pathOf(node), firstState(target)];
      const key = `${from} ${to}`;
      const { causes } = edges.get(key) ?? { causes: [] };
      edges.set(key, { from, to, causes: [...causes, causeOf(transition)] });
    }
  }
  for (const child of Object.values(node.states)) addEdges(child, edges);
}

function causeOf({ eventType, guard }: Transition): GraphCause {
  return { event: eventType === '' ? null : eventType, guard: guardName(guard) };
}

function guardName(guard: unknown): string | null {
  if (guard === undefined) return null;
  if (typeof guard === 'string') return guard;
  const type = typeof guard === 'object' && guard !== null && 'type' in guard ? guard.type : null;
  return typeof type === 'string' ? type : 'computed';
}

/** The state without children that entering this one leads to. */
function firstState(node: AnyStateNode): string {
  const [child] = node.initial?.target ?? [];
  return child === undefined ? pathOf(node) : firstState(child);
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.');
}
