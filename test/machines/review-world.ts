/** What tests ask of the one review of a simulated world. */
import { REVIEW } from './facts.ts';
import type { Simulator } from './simulator.ts';

export function outcome(world: Simulator): unknown {
  return [world.at(REVIEW).state, world.at(REVIEW).context.outcome];
}

/** The kinds of the alarms that it asked for. */
export function alarms(world: Simulator): readonly string[] {
  return world
    .rowsOf(REVIEW)
    .flatMap((row) =>
      row.effects.flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm.kind] : [])),
    );
}
