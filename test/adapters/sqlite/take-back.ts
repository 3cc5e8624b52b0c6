/** Older databases, for the tests of what a migration makes of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../../../src/adapters/sqlite/database.ts';
import { ROOT } from '../../house/source.ts';

/** Makes a database what it was before this migration and all later ones, as far as tables go. */
export function takeBack(database: Database, migration: number): void {
  const folder = join(ROOT, 'migrations');
  const names = readdirSync(folder).filter((file) => Number(file.slice(0, 4)) >= migration);
  // The newest first: it may have altered what an older one made.
  for (const name of names.sort().reverse()) {
    const text = readFileSync(join(folder, name), 'utf8');
    const tables = [...text.matchAll(/^CREATE TABLE (\w+)/gm)].map(([, table]) => table);
    for (const [, index, table] of text.matchAll(/^CREATE INDEX (\w+) ON (\w+)/gm)) {
      if (!tables.includes(table)) database.exec(`DROP INDEX ${index}`);
    }
    for (const [, table, column] of text.matchAll(/^ALTER TABLE (\w+) ADD COLUMN (\w+)/gm)) {
      database.exec(`ALTER TABLE ${table} DROP COLUMN ${column}`);
    }
    for (const table of tables) database.exec(`DROP TABLE ${table}`);
  }
  database.pragma(`user_version = ${migration - 1}`);
}
