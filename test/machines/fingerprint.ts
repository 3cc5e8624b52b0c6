/**
 * The fingerprint of a machine: a hash over its structure, states, transitions, guards, actions and targets by name. It
 * does not cover the code of guards and actions; the recorded histories do.
 */
import type { AnyStateMachine, StateNode } from 'xstate';
import { canonicalJson } from '../../src/machines/protocol/canonical-json.ts';
import { sha256 } from './simulator.ts';

export function fingerprint(machine: AnyStateMachine): string {
  return sha256(canonicalJson(structureOf(machine.root)));
}

function structureOf(node: StateNode): unknown {
  return {
    initial: node.initial?.target.map((target) => target.key) ?? [],
    type: node.type,
    tags: node.tags,
    entry: node.entry.map(named),
    exit: node.exit.map(named),
    always: (node.always ?? []).map(transitionOf),
    on: Object.fromEntries([...node.transitions].map(([event, all]) => [event, all.map(transitionOf)])),
    states: Object.fromEntries(
      Object.entries(node.states).map(([name, child]) => [name, structureOf(child)]),
    ),
  };
}

function transitionOf(transition: {
  readonly target: readonly StateNode[] | undefined;
  readonly guard?: unknown;
  readonly actions: readonly unknown[];
  readonly reenter: boolean;
}) {
  return {
    target: (transition.target ?? []).map((target) => target.id),
    guard: transition.guard === undefined ? null : named(transition.guard),
    actions: transition.actions.map(named),
    reenter: transition.reenter,
  };
}

/** The name of an action or a guard, and its parameters if they are plain data. */
function named(part: unknown): unknown {
  if (typeof part === 'string') return part;
  const { type, params } = part as { readonly type: string; readonly params?: unknown };
  return [type, typeof params === 'function' || params === undefined ? 'computed' : params];
}
