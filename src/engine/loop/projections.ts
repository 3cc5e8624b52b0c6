/** Makes a step ready for the store, with the projection that its machine gives. */
import type { Stored } from '../../machines/protocol/row.ts';
import type { Stepped } from '../../machines/step.ts';
import { versionOf } from '../../machines/versions.ts';
import type { Append } from '../ports/store.ts';

export function appendOf(before: Stored | null, { row, stored, texts }: Stepped): Append {
  const view = versionOf(stored).project(stored);
  return {
    row,
    stored,
    texts,
    view,
    reopens: (before?.ended ?? false) && !stored.ended,
    endsJob: view.kind === 'job' && stored.ended && !(before?.ended ?? false),
  };
}
