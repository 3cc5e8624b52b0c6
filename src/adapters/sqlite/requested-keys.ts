/**
 * The keys of all effects that a history requested, read from the log when they are first asked for. A table of them
 * would cost each append a page, and answer the same: these are the keys of the rows that are in the log.
 */
import { type LogRow, requestedKeys } from '../../machines/protocol/row.ts';
import type { Database } from './database.ts';
import { prepared } from './statements.ts';

/** Histories whose keys are remembered. More than this many are rarely open; they are then read again. */
const MAX_HISTORIES = 10_000;

export class RequestedKeys {
  private readonly find: ReturnType<typeof prepared>;
  private readonly known = new Map<string, Set<string>>();

  constructor(database: Database) {
    this.find = prepared(database, 'SELECT effects FROM event WHERE history = ?');
  }

  has(history: string, key: string): boolean {
    return this.keysOf(history).has(key);
  }

  /** Call it when the row is in the log. */
  add(row: LogRow, ended: boolean): void {
    if (row.type === 'histories.archived') this.known.clear();
    else if (ended) this.known.delete(row.history);
    else for (const key of requestedKeys(row)) this.known.get(row.history)?.add(key);
  }

  private keysOf(history: string): Set<string> {
    const known = this.known.get(history);
    if (known !== undefined) return known;
    const rows = this.find.all(history) as { readonly effects: string }[];
    const keys = new Set(rows.flatMap(({ effects }) => requestedKeys({ effects: JSON.parse(effects) })));
    if (this.known.size >= MAX_HISTORIES) this.known.clear();
    this.known.set(history, keys);
    return keys;
  }
}
