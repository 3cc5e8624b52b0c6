/** Finds the row of a job's history that decided its verdict. */
import type { AnyEvent } from '../machines/protocol/events.ts';
import type { HistorySnapshot, LogRow } from '../machines/protocol/row.ts';
import { step } from '../machines/step.ts';
import { sha256 } from './database-admin.ts';

export interface VerdictSource<Row> {
  /** The state that the job was in, dotted. */
  readonly state: string;
  readonly row: Row;
}

/** The row that last changed the verdict, or null when there is no verdict yet. */
export function verdictSource<Row extends LogRow>(rows: readonly Row[]): VerdictSource<Row> | null {
  let before: HistorySnapshot | null = null;
  let found: VerdictSource<Row> | null = null;
  for (const row of rows) {
    const event = { ...row.data, type: row.type } as unknown as AnyEvent;
    const { stored }: { readonly stored: HistorySnapshot } = step(before, { ...row, event }, sha256);
    const verdict = before?.context.verdict ?? null;
    if (stored.context.verdict !== verdict) found = { state: before?.state ?? stored.state, row };
    before = stored;
  }
  return found;
}
