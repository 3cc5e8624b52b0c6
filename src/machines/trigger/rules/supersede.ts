/**
 * What a newer patchset does to the tests of older ones: ends them all, ends only those that have not begun, or lets
 * them run in parallel. A running test may have cost hours, but its result would be for an outdated patchset and never
 * a vote.
 */

export const SUPERSEDE_MODES = ['running', 'queued', 'never'] as const;
export type SupersedeMode = (typeof SUPERSEDE_MODES)[number];

/** One of our reviews on the change that has not ended. */
export interface Supersedable {
  readonly patchset: number;
  /** True when any of its jobs has left the queue. */
  readonly begun?: boolean;
}

/** The reviews that patchset `newer` ends. */
export function superseded<R extends Supersedable>(
  open: readonly R[],
  newer: number,
  mode: SupersedeMode,
): readonly R[] {
  if (mode === 'never') return [];
  return open.filter(({ patchset, begun }) => patchset < newer && (mode === 'running' || begun !== true));
}
