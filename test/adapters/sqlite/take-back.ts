/** Older databases, for the tests of what a migration makes of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../../../src/adapters/sqlite/database.ts';
import { ROOT } from '../../house/source.ts';

/** Makes a database what it was before this migration and all later ones, as far as tables go. */
export function takeBack(database: Database, migration: number): void {
  const folder = join(ROOT, 'migrations');
  for (const name of readdirSync(folder).filter((file) => Number(file.slice(0, 4)) >= migration)) {
    const made = readFileSync(join(folder, name), 'utf8').matchAll(/^CREATE TABLE (\w+)/gm);
    for (const [, table] of made) database.exec(`DROP TABLE ${table}`);
  }
  database.pragma(`user_version = ${migration - 1}`);
}
