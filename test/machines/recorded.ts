/** The recorded histories of test/histories, as rows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LogRow } from '../../src/machines/protocol/row.ts';

const DIRECTORY = join(import.meta.dirname, '../histories');

export const recorded: readonly string[] = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith('.jsonl'))
  .sort();

export function rowsOf(file: string): readonly LogRow[] {
  const lines = readFileSync(join(DIRECTORY, file), 'utf8').trimEnd().split('\n');
  return lines.map((line): LogRow => JSON.parse(line));
}
