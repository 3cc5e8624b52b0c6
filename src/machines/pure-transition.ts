/**
 * xstate's own `transition()`, without the actor that it makes again for each step: one for each machine, which is never
 * started, is enough for a machine that invokes, spawns, delays and emits nothing. A test holds the two to be the same.
 */
import { type AnyActorScope, type AnyMachineSnapshot, type AnyStateMachine, createActor } from 'xstate';

type Action = { readonly type: string; readonly params?: unknown };

interface Bench {
  readonly scope: AnyActorScope;
  /** What the step under way has asked for. */
  actions: Action[];
}

const benches = new WeakMap<AnyStateMachine, Bench>();

/** The next snapshot and the actions on the way there, in their order; nothing is executed. @throws what the machine throws */
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
