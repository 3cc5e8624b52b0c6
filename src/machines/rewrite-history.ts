/** A history whose texts are replaced, such as by redaction, as the machine would have written it: strict replay accepts it. */
import { continuedEvent } from './continued.ts';
import { canonicalJson } from './protocol/canonical-json.ts';
import type { AnyEvent } from './protocol/events.ts';
import { type Hash, type HistorySnapshot, type LogRow, requestedKeys } from './protocol/row.ts';
import { step } from './step.ts';

/**
 * Returns `rows` itself if no text in the events changes; otherwise rows with new effects and hashes.
 * @throws if the machine does something else with the new texts, or refuses them
 */
export function rewriteHistory<Row extends LogRow>(
  rows: readonly Row[],
  rewrite: (text: string) => string,
  hash: Hash,
): readonly Row[] {
  const events = rows.map(({ data }) => rewritten(data, rewrite));
  if (events.every((data, index) => canonicalJson(data) === canonicalJson(rows[index]?.data ?? null)))
    return rows;
  const requested = new Set<string>();
  let before: HistorySnapshot | null = null;
  return rows.map((row, index) => {
    const event =
      before !== null && row.type === 'history.continued'
        ? continuedEvent(before)
        : ({ ...(events[index] as object), type: row.type } as AnyEvent);
    const result = step(before, { ...row, event }, hash, (key) => requested.has(key));
    if (result.row.state !== row.state || result.row.outcome !== row.outcome)
      throw new Error(`row ${row.version} of ${row.history} would lead to another state`);
    for (const key of requestedKeys(result.row)) requested.add(key);
    before = result.stored;
    return { ...row, ...result.row };
  });
}

function rewritten(value: unknown, rewrite: (text: string) => string): unknown {
  if (typeof value === 'string') return rewrite(value);
  if (Array.isArray(value)) return value.map((one) => rewritten(one, rewrite));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, rewritten(one, rewrite)]));
}
