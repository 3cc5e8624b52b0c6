/** Checks that the rows that are absent from the log are exactly those that the history of archives accounts for. */
import type { Hash } from '../../machines/protocol/row.ts';
import { type Difference, replayHistory } from '../../machines/replay.ts';
import { ARCHIVE, type ArchiveContext, archiveStatus } from '../../machines/system/archive.ts';
import type { NumberedRow, StoreReader } from '../ports/store.ts';

/** What left the log, computed from the rows and not from the view; null: nothing. */
export function accounted(store: Pick<StoreReader, 'rows'>, hash: Hash): ArchiveContext | null {
  return archiveStatus(replayHistory(store.rows(ARCHIVE), hash).stored);
}

/** Where a history starts, if that is not its row 1. */
export function startOf(first: NumberedRow | undefined): string | null {
  if (first === undefined || first.version === 1) return null;
  if (first.type !== 'history.continued') return `row ${first.version}`;
  return textOf({ last: first.version - 1, head: String(first.data.head) });
}

/**
 * Histories that start elsewhere than the account says, and archive files with other contents.
 * @param starts of the histories that do not start with their row 1
 * @param checksums the archive files that exist, by number: an operator may have moved others away
 */
export function findUnaccounted(
  starts: ReadonlyMap<string, string>,
  context: ArchiveContext | null,
  checksums: ReadonlyMap<number, string>,
): readonly Difference[] {
  const continued = new Map(Object.entries(context?.continued ?? {}));
  const histories = [...new Set([...starts.keys(), ...continued.keys()])];
  const wrongStarts = histories.flatMap((history) => {
    const known = continued.get(history);
    const stored = starts.get(history) ?? 'row 1';
    const computed = known === undefined ? 'row 1' : textOf(known);
    const version = (known?.last ?? 0) + 1;
    return stored === computed ? [] : [{ history, version, field: 'start', stored, computed }];
  });
  return [...wrongStarts, ...wrongFiles(context, checksums)];
}

function textOf({ last, head }: { readonly last: number; readonly head: string }): string {
  return `row ${last + 1} after ${head}`;
}

function wrongFiles(
  context: ArchiveContext | null,
  checksums: ReadonlyMap<number, string>,
): readonly Difference[] {
  return (context?.files ?? []).flatMap(({ number, sha256: computed }) => {
    const stored = checksums.get(number) ?? computed;
    const history = `archive file ${number}`;
    return stored === computed ? [] : [{ history, version: 0, field: 'sha256', stored, computed }];
  });
}
