/** Describes what a new configuration changes. */

/** What a new configuration changes now, and after a restart. */
export function changesText(changed: readonly string[], restart: readonly string[]): string {
  const now = changed.length === 0 ? 'nothing changed' : `changed: ${changed.join(', ')}`;
  return restart.length === 0 ? now : `${now}; after a restart: ${restart.join(', ')}`;
}
