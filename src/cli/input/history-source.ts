/** Where the commands that analyse histories read them: the database, or a file that was archived or exported. */
import type { NumberedRow, StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type StoreLocation, withReader } from './open-store.ts';
import { findHistory } from './resolve-id.ts';

export interface HistorySource {
  /** The rows of the history whose name begins with `typed`. @throws CliError when none or several do */
  rows(typed: string | undefined): readonly NumberedRow[];
}

/** Opens the source while `use` runs. */
export async function withSource<T>(
  location: StoreLocation & { readonly file?: string },
  use: (source: HistorySource) => T | Promise<T>,
): Promise<T> {
  if (location.file !== undefined) return use(await fileSource(location.file));
  return withReader(location, (reader) => use(readerSource(reader)));
}

export function readerSource(reader: StoreReader): HistorySource {
  return {
    rows: (typed) => {
      if (typed === undefined)
        throw new CliError(
          EXIT.usage,
          'name one history',
          'stream, voting, archive, or an id from: sos-ci jobs',
        );
      return reader.rows(findHistory(reader, typed));
    },
  };
}

async function fileSource(file: string): Promise<HistorySource> {
  const { readArchive } = await import('../../app/read-archive.ts');
  const histories = await readArchive(file, '');
  const names = [...histories.keys()];
  return {
    rows: (typed) => {
      const prefix = typed ?? '';
      const found = names.includes(prefix) ? [prefix] : names.filter((name) => name.startsWith(prefix));
      const [name] = found;
      const rows = name === undefined ? undefined : histories.get(name);
      if (rows !== undefined && found.length === 1) return rows;
      const begin = plainText(JSON.stringify(prefix));
      const shown = (found.length === 0 ? names : found).slice(0, 10).map((one) => `\n  ${plainText(one)}`);
      const several =
        typed === undefined
          ? `the file has ${found.length} histories`
          : `several histories in it begin with ${begin}`;
      throw new CliError(
        EXIT.usage,
        `${found.length === 0 ? `no history in it begins with ${begin}; it has` : several}:${shown.join('')}`,
        'name one: sos-ci replay --file FILE ID',
      );
    },
  };
}
