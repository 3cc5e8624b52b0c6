/** What became of the configuration, in plain words: one line for each fact of the history `config`. */

import { assertNever } from '../../machines/model/domain.ts';
import type { CommonEvent, ConfigEvent } from '../../machines/protocol/events.ts';

export function configEventText(event: Exclude<ConfigEvent, CommonEvent>): string {
  switch (event.type) {
    case 'config.loaded':
      return event.by === ''
        ? `the daemon started with ${event.file}`
        : `${event.file} was read anew${askedBy(event)}: ${changesText(event.changed, event.restart)}`;
    case 'config.rejected':
      return `${event.file} was read anew${askedBy(event)}, and has mistakes: ${event.problems.join('; ')}`;
    default:
      return assertNever(event);
  }
}

/** What a new configuration changes, and when. */
export function changesText(changed: readonly string[], restart: readonly string[]): string {
  const now = changed.length === 0 ? 'nothing changed' : `changed: ${changed.join(', ')}`;
  return restart.length === 0 ? now : `${now}; after the next start: ${restart.join(', ')}`;
}

function askedBy({ by, why }: { readonly by: string; readonly why: string }): string {
  return ` for ${by}${why === '' ? '' : ` (${why})`}`;
}
