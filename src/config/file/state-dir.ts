/**
 * Finds the state directory alone, for commands that only read the store and must start at once: the schema and the rest
 * of the file are left out, and the YAML parser too when the file does not speak of `stateDir`.
 */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const DEFAULT = './state';

/** Absolute. Null when the file cannot be read or is no YAML: `config check` says why. */
export async function findStateDir(file: string): Promise<string | null> {
  let text: string;
  try {
    // A device may have no end.
    if (!statSync(file).isFile()) return null;
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  const named = text.includes('stateDir') ? await readStateDir(text) : DEFAULT;
  if (named === null) return null;
  if (named === '~') return homedir();
  return named.startsWith('~/') ? join(homedir(), named.slice(2)) : resolve(dirname(resolve(file)), named);
}

async function readStateDir(text: string): Promise<string | null> {
  // Through a module of ours: a bundle gives a package of the older kind another shape when it is imported lazily.
  const { parseYaml } = await import('./yaml-document.ts');
  const root = parseYaml(text).value;
  if (typeof root !== 'object' || root === null) return null;
  const value = 'stateDir' in root ? root.stateDir : DEFAULT;
  return typeof value === 'string' ? value : null;
}
