/** Read-only queries of the log's rows. */
import type { LogRow } from '../../machines/protocol/row.ts';

/** A row with its number in the whole log. */
export interface NumberedRow extends LogRow {
  readonly seq: number;
}

export interface LogReader {
  rows(history: string): readonly NumberedRow[];
  /** The name of every history, in the order of its first row. */
  histories(): Iterable<string>;
  /** Number of rows that were ever appended. */
  length(): number;
  /** Every row in the order in which it was appended. */
  log(): Iterable<NumberedRow>;
  /** The first `limit` rows after the number `after`, in the order in which they were appended. */
  rowsAfter(after: number, limit: number): readonly NumberedRow[];
  /** Differs from the last answer if another connection has committed since then. Costs less than a query. */
  commits(): number;
}
