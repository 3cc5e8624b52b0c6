/** Reads archive files for the command line: rows of histories, and the file that has a job. Changes nothing. */
import { join } from 'node:path';
import {
  archivedRows,
  archiveFileName,
  archiveNumbers,
  readArchiveHead,
} from '../adapters/history-archive/files.ts';
import type { ArchiveEntry } from '../engine/ports/history-archive.ts';
import type { NumberedRow } from '../engine/ports/store.ts';
import { archiveDirectory } from './database-admin.ts';

export interface ArchivedJob extends Pick<ArchiveEntry, 'history' | 'title'> {
  readonly file: string;
  /** When it left the database, epoch ms. */
  readonly at: number;
}

/** The rows of the histories whose name begins with `prefix`. @throws OperationError */
export async function readArchive(
  file: string,
  prefix: string,
): Promise<ReadonlyMap<string, readonly NumberedRow[]>> {
  const histories = new Map<string, NumberedRow[]>();
  for await (const row of archivedRows(file)) {
    if (!row.history.startsWith(prefix)) continue;
    const rows = histories.get(row.history) ?? [];
    rows.push(row);
    histories.set(row.history, rows);
  }
  return histories;
}

/** Up to `limit` jobs whose id begins with `prefix`, in the newest files first. @throws OperationError */
export async function findArchivedJobs(
  stateDir: string,
  prefix: string,
  limit: number,
): Promise<readonly ArchivedJob[]> {
  const directory = archiveDirectory(stateDir);
  const found: ArchivedJob[] = [];
  for (const number of [...(await archiveNumbers(directory))].reverse()) {
    const file = join(directory, archiveFileName(number));
    const { at, histories } = await readArchiveHead(file);
    for (const { history, title } of histories)
      if (title !== '' && history.startsWith(prefix)) found.push({ history, title, file, at });
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
}
