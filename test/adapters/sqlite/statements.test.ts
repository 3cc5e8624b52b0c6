/** One statement for each text and connection: no native object is created for the garbage collector. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { expect, test } from 'vitest';
import { prepared, readPragma } from '../../../src/adapters/sqlite/statements.ts';

test('a text is prepared once for each connection', () => {
  const [one, other] = [new Sqlite(':memory:'), new Sqlite(':memory:')];
  const statement = prepared(one, 'SELECT 1 AS one');
  expect(prepared(one, 'SELECT 1 AS one')).toBe(statement);
  expect(prepared(other, 'SELECT 1 AS one')).not.toBe(statement);
  expect(statement.get()).toEqual({ one: 1 });
  one.close();
  other.close();
});

test('a pragma is read as its value', () => {
  const database = new Sqlite(':memory:');
  database.exec('PRAGMA user_version = 7');
  expect(readPragma(database, 'user_version')).toBe(7);
  database.exec('PRAGMA user_version = 8');
  expect(readPragma(database, 'user_version')).toBe(8);
  database.close();
});

test('no code creates statements or iterators for one use', () => {
  const directory = fileURLToPath(new URL('../../../src/adapters/sqlite/', import.meta.url));
  const files = readdirSync(directory).filter((name) => name !== 'statements.ts');
  expect(files.length).toBeGreaterThan(5);
  const found = files.flatMap((name) => {
    const text = readFileSync(join(directory, name), 'utf8');
    return /\.(prepare|pragma|iterate)\(/.test(text) ? [name] : [];
  });
  expect(found).toEqual([]);
});
