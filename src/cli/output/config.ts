/** A new configuration in plain words. */

/** What a new configuration changes, and when. */
export function changesText(changed: readonly string[], restart: readonly string[]): string {
  const now = changed.length === 0 ? 'nothing changed' : `changed: ${changed.join(', ')}`;
  return restart.length === 0 ? now : `${now}; after the next start: ${restart.join(', ')}`;
}
