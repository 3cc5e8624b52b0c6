/**
 * xstate's `transition()` without creating an actor for each step. One actor per machine, which is never started, is
 * enough for machines that do not invoke, spawn, delay or emit. A test checks that both give the same results.
 */
import { type AnyActorScope, type AnyMachineSnapshot, type AnyStateMachine, createActor } from 'xstate';

type Action = { readonly type: string; readonly params?: unknown };

interface Bench {
  readonly scope: AnyActorScope;
  /** The actions requested by the current step. */
  actions: Action[];
}

const benches = new WeakMap<AnyStateMachine, Bench>();

/** The next snapshot and the requested actions in order; nothing is executed. @throws what the machine throws */
export function pureTransition(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: { readonly type: string },
): readonly [AnyMachineSnapshot, readonly Action[]] {
  const bench = benches.get(machine) ?? newBench(machine);
  bench.actions = [];
  const next = machine.transition(snapshot, event, bench.scope);
  return [next, bench.actions];
}

function newBench(machine: AnyStateMachine): Bench {
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
      bench.actions.push(action);
    },
  };
  const bench: Bench = { scope, actions: [] };
  benches.set(machine, bench);
  return bench;
}
