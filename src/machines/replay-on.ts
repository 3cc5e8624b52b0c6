/** Feeds the events of a history to another version of its machine, and says what that version does differently. */
import { canonicalJson } from './protocol/canonical-json.ts';
import type { AnyEvent } from './protocol/events.ts';
import {
  type Hash,
  type HistorySnapshot,
  type LogRow,
  type MachineName,
  requestedKeys,
} from './protocol/row.ts';
import { step } from './step.ts';

/** A value that the other version computes differently. */
export interface VersionDifference {
  /** The row's version in its history. */
  readonly version: number;
  readonly type: string;
  /** `state`, `outcome`, `effects`, `event` (the machine threw), or `context.FIELD`. */
  readonly field: string;
  /** Of the version that wrote the history; null: none. */
  readonly stored: unknown;
  /** Of the other version; null: none. */
  readonly computed: unknown;
}

type Run = (row: LogRow) => { readonly row: LogRow; readonly stored: HistorySnapshot } | string;

/**
 * Differences in the order of the rows. A field of the context is listed when its difference begins or changes. Ends at
 * the first event at which a machine throws.
 */
export function replayOn(
  rows: Iterable<LogRow>,
  machine: MachineName,
  hash: Hash,
): readonly VersionDifference[] {
  const differences: VersionDifference[] = [];
  const known = new Map<string, string>();
  let runs: { readonly own: Run; readonly other: Run } | null = null;
  for (const row of rows) {
    runs ??= { own: runner(row.machine, hash), other: runner(machine, hash) };
    const [own, other] = [runs.own(row), runs.other(row)];
    const { version, type } = row;
    if (typeof own === 'string' || typeof other === 'string') {
      const text = (result: typeof own) => (typeof result === 'string' ? result : null);
      return [...differences, { version, type, field: 'event', stored: text(own), computed: text(other) }];
    }
    for (const field of ['outcome', 'state', 'effects'] as const) {
      const [stored, computed] = [row[field], other.row[field]];
      if (!same(stored, computed)) differences.push({ version, type, field, stored, computed });
    }
    for (const { field, stored, computed } of contextDifferences(own.stored, other.stored, known))
      differences.push({ version, type, field, stored, computed });
  }
  return differences;
}

/** Steps one history on one version. Returns why it cannot as text. */
function runner(machine: MachineName, hash: Hash): Run {
  let before: HistorySnapshot | null = null;
  const requested = new Set<string>();
  return (row) => {
    try {
      const event = { ...row.data, type: row.type } as unknown as AnyEvent;
      const result = step(before, { ...row, machine, event }, hash, (key) => requested.has(key));
      before = result.stored;
      for (const key of requestedKeys(result.row)) requested.add(key);
      return result;
    } catch (thrown) {
      return `the machine threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    }
  };
}

/** @param known the differences that earlier rows listed; updated */
function contextDifferences(
  own: HistorySnapshot,
  other: HistorySnapshot,
  known: Map<string, string>,
): readonly Pick<VersionDifference, 'field' | 'stored' | 'computed'>[] {
  const names = new Set([...Object.keys(own.context), ...Object.keys(other.context)]);
  return [...names].sort().flatMap((name) => {
    const { [name]: stored = null } = own.context;
    const { [name]: computed = null } = other.context;
    const field = `context.${name}`;
    const difference = same(stored, computed) ? '' : canonicalJson([stored, computed]);
    if ((known.get(field) ?? '') === difference) return [];
    known.set(field, difference);
    return difference === '' ? [] : [{ field, stored, computed }];
  });
}

function same(one: unknown, other: unknown): boolean {
  return canonicalJson(one) === canonicalJson(other);
}
