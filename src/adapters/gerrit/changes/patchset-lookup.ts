/** Looks up one patchset by its numbers, for runs that a user starts by hand, without an event. */
import type { Clock } from '../../../engine/ports/adapters.ts';
import type { Patchset } from '../../../machines/model/domain.ts';
import { patchSetOf, queryChange, toPatchset } from '../transport/query.ts';
import { connectToGerrit, type GerritOptions } from '../transport/ssh-connection.ts';

/**
 * Looks up the patchset; null selects the current one. Returns null when Gerrit does not show it to this account.
 * Rejects with an OperationError when the query fails.
 */
export async function lookUpPatchset(
  options: GerritOptions,
  clock: Clock,
  change: number,
  patchset: number | null,
  signal: AbortSignal = new AbortController().signal,
): Promise<Patchset | null> {
  const connection = await connectToGerrit(options, clock, signal);
  try {
    const row = await queryChange(
      connection,
      options,
      change,
      patchset === null ? ['--current-patch-set'] : ['--patch-sets'],
      signal,
    );
    const set = row === null ? null : patchSetOf(row, patchset);
    return row === null || set === null ? null : toPatchset(row, set);
  } finally {
    await connection.close();
  }
}
