/** Finds the row of a history that a person means: by its number in the log, a time, or the state that it led to. */

import { parseDuration } from '../../config/fields/units.ts';
import type { NumberedRow } from '../../engine/ports/store.ts';
import { type StateTree, stateTree } from '../../machines/protocol/version.ts';
import { isKnownMachine, versionOf } from '../../machines/versions.ts';
import { parseTime } from '../input/past-time.ts';
import { iso } from '../output/time.ts';

export type FoundRow =
  | {
      readonly index: number;
      /** The time that was named, otherwise the row's. Epoch ms. */
      readonly at: number;
    }
  /** `never`: the question was right, and the answer is that there is no such row. */
  | { readonly problem: string; readonly hint: string; readonly never: boolean };

type Row = Pick<NumberedRow, 'seq' | 'at' | 'state' | 'machine'>;

/**
 * The newest row that is not after this moment.
 * @param text a row's number in the log (`seq` of `--json`), `+1h30m` after the first row, or a past time
 */
export function findMoment(rows: readonly Row[], text: string, now: number): FoundRow {
  const [first] = rows;
  if (first === undefined) return nothing('the history has no rows');
  if (/^\d{1,15}$/.test(text)) {
    const index = rows.findLastIndex(({ seq }) => seq <= Number(text));
    return found(rows, index, null) ?? nothing(`the history begins at ${first.seq}`);
  }
  const after = text.startsWith('+') ? parseDuration(text.slice(1)) : null;
  const at = after === null ? parseTime(text, now) : first.at + after;
  if (at === null) {
    const hint = 'write a row as 4711, a time as 2026-11-22T17:00Z, 2h (ago) or +1h30m (after the first row)';
    return { problem: `${JSON.stringify(text)} is no row and no past time`, hint, never: false };
  }
  const index = rows.findLastIndex((row) => row.at <= at);
  return found(rows, index, at) ?? nothing(`the history begins at ${iso(first.at)}`);
}

/** The first row that led to the state or to one inside it. @param state a dotted path */
export function findState(rows: readonly Row[], state: string): FoundRow {
  const [first] = rows;
  if (first === undefined) return nothing('the history has no rows');
  const index = rows.findIndex((row) => row.state === state || row.state.startsWith(`${state}.`));
  const row = found(rows, index, null);
  if (row !== null) return row;
  const states = isKnownMachine(first.machine) ? statesOf(stateTree(versionOf(first).machine)) : [];
  if (states.includes(state)) return nothing(`the history was never in the state ${state}`);
  const top = states.filter((path) => !path.includes('.'));
  const hint = `its states are ${top.join(', ')}; name one inside another as in ${states.find((path) => path.includes('.')) ?? 'outer.inner'}`;
  return { problem: `${first.machine} has no state ${JSON.stringify(state)}`, hint, never: false };
}

function found(rows: readonly Row[], index: number, at: number | null): FoundRow | null {
  const row = rows[index];
  return row === undefined ? null : { index, at: at ?? row.at };
}

function nothing(problem: string): FoundRow {
  return { problem, hint: 'its rows: sos-ci history ID --json', never: true };
}

function statesOf({ states }: StateTree): readonly string[] {
  return states.flatMap((state) => [state.path, ...statesOf(state)]);
}
