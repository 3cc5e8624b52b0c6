/**
 * Strict replay: recomputes every row of a history from its events and compares state, effects, outcome and both hashes
 * with the stored row. Also checks that no effect key is used twice. Reports the first difference.
 */
import { canonicalJson } from './protocol/canonical-json.ts';
import type { AnyEvent } from './protocol/events.ts';
import { type Hash, type HistorySnapshot, type LogRow, requestedKeys } from './protocol/row.ts';
import { step } from './step.ts';

export interface Difference {
  readonly history: string;
  readonly version: number;
  readonly field: string;
  readonly stored: string;
  readonly computed: string;
}

export interface Replayed {
  /** Number of rows before the first difference. */
  readonly rows: number;
  readonly difference: Difference | null;
  /** The state after the last equal row. */
  readonly stored: HistorySnapshot | null;
}

const COMPARED = [
  'version',
  'eventVersion',
  'at',
  'outcome',
  'machine',
  'state',
  'effects',
  'stateHash',
  'hash',
] as const;

export function replayHistory(rows: Iterable<LogRow>, hash: Hash): Replayed {
  let before: HistorySnapshot | null = null;
  let equal = 0;
  const requested = new Set<string>();
  for (const row of rows) {
    const result = recompute(before, row, hash, (key) => requested.has(key));
    if ('field' in result) return { rows: equal, difference: result, stored: before };
    before = result;
    equal += 1;
    for (const key of requestedKeys(row)) requested.add(key);
  }
  return { rows: equal, difference: null, stored: before };
}

export function recompute(
  before: HistorySnapshot | null,
  row: LogRow,
  hash: Hash,
  requested: (key: string) => boolean,
): HistorySnapshot | Difference {
  const at = { history: row.history, version: row.version };
  try {
    const event = { ...row.data, type: row.type } as unknown as AnyEvent;
    const { stored, row: computed } = step(before, { ...row, event }, hash, requested);
    for (const field of COMPARED) {
      const [was, is] = [canonicalJson(row[field]), canonicalJson(computed[field])];
      if (was !== is) return { ...at, field, stored: was, computed: is };
    }
    return stored;
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return { ...at, field: 'event', stored: row.type, computed: `the machine threw: ${text}` };
  }
}
