/** One change with the data that rules match on: read by its number for read-only commands, or from a query row. */
import type { Clock } from '../../../engine/ports/adapters.ts';
import type { CurrentChange } from '../../../machines/model/gerrit-event.ts';
import * as shapes from '../json-schemas.ts';
import { queryError, queryRows } from '../transport/query.ts';
import { connectToGerrit, type GerritOptions } from '../transport/ssh-connection.ts';
import { filesOf, parseQueryRow, type QueryRow, statusOf, votesOf } from './query-row.ts';

/**
 * Returns null when Gerrit does not show the change to this account. Rejects with an OperationError when the query
 * fails or its result is unusable.
 */
export async function readCurrentChange(
  options: GerritOptions,
  clock: Clock,
  change: number,
): Promise<CurrentChange | null> {
  const { signal } = new AbortController();
  const connection = await connectToGerrit(options, clock, signal);
  const target = `change ${change} on ${options.host}`;
  try {
    const query = {
      target,
      terms: `change:${change}`,
      parts: ['--current-patch-set', '--files'],
    } as const;
    const { rows } = await queryRows(connection, options, query, signal);
    const row = rows.map((found) => parseQueryRow(found, target)).find(({ number }) => number === change);
    return row === undefined ? null : toCurrentChange(row, target, options.maxFiles);
  } finally {
    await connection.close();
  }
}

/** @throws OperationError when the row is unusable */
export function toCurrentChange(row: QueryRow, target: string, filesLimit: number): CurrentChange {
  const { currentPatchSet: current, wip, hashtags } = row;
  if (current === undefined) throw queryError(target, 'it has no patchset', false);
  const { kind, uploader, author } = current;
  try {
    return {
      patchset: shapes.toPatchset(row, current),
      status: statusOf(row),
      kind,
      wip,
      private: row.private,
      uploader,
      author,
      hashtags,
      files: filesOf(row, filesLimit),
      votes: votesOf(row),
    };
  } catch (error) {
    if (!(error instanceof shapes.SchemaMismatch)) throw error;
    throw queryError(target, `its ${error.message} cannot be used`, false);
  }
}
