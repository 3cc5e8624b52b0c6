/** Queries about the only review of a simulation. */
import type { LogRow } from '../../src/machines/protocol/row.ts';
import { REVIEW } from './facts.ts';
import type { Simulator } from './simulator.ts';

export function outcome(simulator: Simulator): unknown {
  return [simulator.at(REVIEW).state, simulator.at(REVIEW).context.outcome];
}

/** The kinds of the alarms that the review raised. */
export function alarms(simulator: Simulator): readonly string[] {
  return simulator
    .rowsOf(REVIEW)
    .flatMap((row) =>
      row.effects.flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm.kind] : [])),
    );
}

/** Settles the query of the change's state before a post, if there is one. Returns the review's newest row. */
export function voteInputs(simulator: Simulator): LogRow {
  if (simulator.pendingEffects(REVIEW).some(({ type }) => type === 'readChangeState'))
    simulator.answerType(REVIEW, 'readChangeState');
  const row = simulator.rowsOf(REVIEW).at(-1);
  if (row === undefined) throw new Error('the review has no row');
  return row;
}
