/** Splits a job's history into spans: one for each stay in a state, within one attempt. */
import type { NumberedRow } from '../../engine/ports/store.ts';
import { isEnded } from '../../machines/versions.ts';

export interface StateSpan {
  readonly state: string;
  readonly attempt: number;
  readonly startedAt: number;
  /** Null: the job is still in this state. */
  readonly endedAt: number | null;
}

export function stateSpans(rows: readonly NumberedRow[]): readonly StateSpan[] {
  const spans: StateSpan[] = [];
  let attempt = 1;
  for (const row of rows) {
    attempt = startedAttempt(row) ?? attempt;
    const state = topState(row.state);
    const last = spans.at(-1);
    if (isEnded(row)) {
      if (last !== undefined && last.endedAt === null) spans[spans.length - 1] = { ...last, endedAt: row.at };
      continue;
    }
    if (last !== undefined && last.state === state && last.attempt === attempt) continue;
    if (last !== undefined) spans[spans.length - 1] = { ...last, endedAt: row.at };
    spans.push({ state, attempt, startedAt: row.at, endedAt: null });
  }
  return spans;
}

/** The top-level state: `testing` for `testing.running`. */
export function topState(state: string): string {
  return state.split('.')[0] ?? state;
}

/** The attempt that a row starts: each attempt requests one server. An altered row may have an effect without an owner. */
export function startedAttempt(row: NumberedRow): number | null {
  const attempt: unknown = row.effects.find((effect) => effect.type === 'createServer')?.owner?.attempt;
  return typeof attempt === 'number' ? attempt : null;
}
