/**
 * `history.continued` repeats the state that the rows before it led to. While those rows are in the database, `step`
 * checks that it repeats exactly that state; after they left, the history is replayed from it.
 */
import { canonicalJson } from './protocol/canonical-json.ts';
import type { ContinuedEvent } from './protocol/events.ts';
import type { HistorySnapshot, MachineName, StateValue } from './protocol/row.ts';

/** The event that continues this history, in which no effect may be pending. */
export function continuedEvent({
  version,
  at,
  value,
  ended,
  context,
  hash,
}: HistorySnapshot): ContinuedEvent {
  return { type: 'history.continued', from: { version, at, value, ended, context }, head: hash };
}

/** The state before the event, when the rows that led to it have left. */
export function continuedFrom(
  { history, machine }: { readonly history: string; readonly machine: MachineName },
  { from, head }: ContinuedEvent,
): HistorySnapshot {
  return { ...from, history, machine, state: toPath(from.value), pending: {}, hash: head };
}

/** @throws when the event does not repeat this state */
export function assertContinues(before: HistorySnapshot, event: ContinuedEvent): void {
  if (Object.keys(before.pending).length > 0)
    throw new Error(`${before.history} has pending effects and cannot be continued`);
  const { type: _, ...expected } = continuedEvent(before);
  if (canonicalJson({ from: event.from, head: event.head }) !== canonicalJson(expected))
    throw new Error(`history.continued does not repeat the state of ${before.history}`);
}

/** A state value as a dotted path. */
export function toPath(value: StateValue): string {
  if (typeof value === 'string') return value;
  const [entry] = Object.entries(value);
  if (entry === undefined) throw new Error('a state value without a state');
  return `${entry[0]}.${toPath(entry[1])}`;
}
