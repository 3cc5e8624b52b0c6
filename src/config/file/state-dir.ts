/**
 * Finds only the state directory, for commands that just read the store and must start fast: skips the schema and the
 * rest of the file, and also the YAML parser when `stateDir` is only in comments or nowhere.
 */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

export const DEFAULT_STATE_DIR = './state';

/** Absolute. Null when the file cannot be read or is not YAML: `config check` reports why. */
export async function findStateDir(file: string): Promise<string | null> {
  let text: string;
  try {
    // A device may be endless.
    if (!statSync(file).isFile()) return null;
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  // A comment does not set it.
  const named = /^(?![ \t]*#).*stateDir/m.test(text) ? await readStateDir(text) : DEFAULT_STATE_DIR;
  if (named === null) return null;
  if (named === '~') return homedir();
  return named.startsWith('~/') ? join(homedir(), named.slice(2)) : resolve(dirname(resolve(file)), named);
}

async function readStateDir(text: string): Promise<string | null> {
  // Imported through our own module: in a bundle, a lazily imported CommonJS package has a different shape.
  const { parseYaml } = await import('./yaml-document.ts');
  const root = parseYaml(text).value;
  if (typeof root !== 'object' || root === null) return null;
  const value = 'stateDir' in root ? root.stateDir : DEFAULT_STATE_DIR;
  return typeof value === 'string' ? value : null;
}
