/** Prepares a step for the store, with its machine's projection. */
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import type { StepResult } from '../../machines/step.ts';
import { versionOf } from '../../machines/versions.ts';
import type { LogEntry } from '../ports/store.ts';

export function toLogEntry(before: HistorySnapshot | null, { row, stored, texts }: StepResult): LogEntry {
  const view = versionOf(stored).project(stored);
  return {
    row,
    stored,
    texts,
    projection: view,
    reopens: (before?.ended ?? false) && !stored.ended,
    endsJob: view.kind === 'job' && stored.ended && !(before?.ended ?? false),
  };
}
