/**
 * xstate's `transition()` without creating an actor for each step. One actor per machine, which is never started, is
 * enough for machines that do not invoke, spawn, delay or emit. A test checks that both give the same results.
 */
import { type AnyActorScope, type AnyMachineSnapshot, type AnyStateMachine, createActor } from 'xstate';

type Action = { readonly type: string; readonly params?: unknown };

interface Harness {
  readonly scope: AnyActorScope;
  /** The actions requested by the current step. */
  actions: Action[];
}

const harnesses = new WeakMap<AnyStateMachine, Harness>();

/** The next snapshot and the requested actions in order; nothing is executed. @throws what the machine throws */
export function pureTransition(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: { readonly type: string },
): readonly [AnyMachineSnapshot, readonly Action[]] {
  const harness = harnesses.get(machine) ?? newHarness(machine);
  harness.actions = [];
  const next = machine.transition(snapshot, event, harness.scope);
  return [next, harness.actions];
}

function newHarness(machine: AnyStateMachine): Harness {
  const self = createActor(machine);
  const scope: AnyActorScope = {
    self,
    system: self.system,
    id: '',
    sessionId: '',
    logger: () => {},
    defer: () => {},
    stopChild: () => {},
    emit: () => {},
    actionExecutor: (action) => {
      harness.actions.push(action);
    },
  };
  const harness: Harness = { scope, actions: [] };
  harnesses.set(machine, harness);
  return harness;
}
