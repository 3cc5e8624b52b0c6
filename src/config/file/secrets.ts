/**
 * Reads the values that must be kept out of evidence and logs, from the files and environment variables that `redact`
 * names. An unreadable secret is an error: leaving it out would publish it.
 */
import { readFileSync, statSync } from 'node:fs';
import { secretValues } from '../../machines/model/secret-values.ts';
import type { PasswordSource } from '../config.ts';
import { sourceOf } from '../fields/fields.ts';

const LIMIT_BYTES = 64 * 1024;

export interface SecretProblem {
  /** Index in the list. */
  readonly index: number;
  readonly what: string;
  readonly next: string;
}

export interface Secrets {
  readonly values: readonly string[];
  readonly problems: readonly SecretProblem[];
}

/** @param list the value from the file; the schema reports malformed items */
export function readSecrets(
  list: unknown,
  environment: Readonly<Record<string, string | undefined>>,
  resolvePath: (path: string) => string,
): Secrets {
  const values = new Set<string>();
  const problems: SecretProblem[] = [];
  for (const [index, item] of (Array.isArray(list) ? list : []).entries()) {
    const source = sourceOf(item);
    if (source === null) continue;
    const read = readSecret(source, environment, resolvePath);
    const found = 'what' in read ? read : valuesOf(read);
    if ('what' in found) problems.push({ index, ...found });
    else for (const value of found.values) values.add(value);
  }
  return { values: [...values], problems };
}

/**
 * The lines of our own private keys: a job that prints or links a key by accident must not publish it. Headers are
 * excluded, because all keys share them. An unreadable key is reported where it is needed.
 */
export function readKeys(files: readonly string[]): readonly string[] {
  return [...new Set(files)].flatMap((file) => {
    try {
      if (statSync(file).size > LIMIT_BYTES) return [];
      const lines = readFileSync(file, 'utf8').split(/\r?\n/);
      return lines.filter((line) => /^[\w+/=]{8,}$/.test(line));
    } catch {
      return [];
    }
  });
}

type SecretError = Omit<SecretProblem, 'index'>;

/** The content of a secret, and what it was read from. */
export interface SecretText {
  readonly text: string;
  readonly from: string;
}

export function readSecret(
  item: PasswordSource,
  environment: Readonly<Record<string, string | undefined>>,
  resolvePath: (path: string) => string,
): SecretText | SecretError {
  if (item.env !== null) {
    const text = environment[item.env];
    const from = `the environment variable ${item.env}`;
    return text === undefined || text === ''
      ? { what: `${from} is not set`, next: 'set it for the daemon, or remove the entry' }
      : { text, from };
  }
  const from = resolvePath(item.file ?? '');
  try {
    if (!statSync(from).isFile() || statSync(from).size > LIMIT_BYTES) {
      const next = 'use a file that contains only the secret';
      return { what: `${from} is not a regular file of at most 64 KB`, next };
    }
    return { text: readFileSync(from, 'utf8'), from };
  } catch {
    return { what: `${from} cannot be read`, next: 'correct the path or its mode, or remove the entry' };
  }
}

function valuesOf({ text, from }: SecretText): { readonly values: readonly string[] } | SecretError {
  const values = secretValues(text);
  const next = 'a secret that short cannot be distinguished from other text';
  return values.length > 0
    ? { values }
    : { what: `${from} has fewer than 4 characters, or only lines of fewer than 8`, next };
}
