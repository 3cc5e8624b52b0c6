/**
 * Reads the values that must be kept out of evidence and logs, from the files and environment variables that `redact`
 * names. An unreadable secret is an error: leaving it out would publish it.
 */
import { readFileSync, statSync } from 'node:fs';
import type { PasswordSource } from '../config.ts';
import { sourceOf } from '../fields/fields.ts';

/** Minimum length of a secret: redacting a shorter one would remove large parts of every log. */
const LEAST = 4;
/** Minimum length of a line of a multi-line file, such as a key. */
const LEAST_OF_SEVERAL = 8;
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
    const read = readOne(source, environment, resolvePath);
    if ('what' in read) problems.push({ index, ...read });
    else for (const value of read.values) values.add(value);
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
      return lines.filter((line) => line.length >= LEAST_OF_SEVERAL && /^[\w+/=]+$/.test(line));
    } catch {
      return [];
    }
  });
}

type One = { readonly values: readonly string[] } | Omit<SecretProblem, 'index'>;

function readOne(
  item: PasswordSource,
  environment: Readonly<Record<string, string | undefined>>,
  resolvePath: (path: string) => string,
): One {
  if (item.env !== null) {
    const value = environment[item.env];
    if (value === undefined || value === '') {
      return {
        what: `the environment variable ${item.env} is not set`,
        next: 'set it for the daemon, or remove the entry',
      };
    }
    return split(value, `the environment variable ${item.env}`);
  }
  const file = resolvePath(item.file ?? '');
  try {
    if (!statSync(file).isFile() || statSync(file).size > LIMIT_BYTES) {
      return {
        what: `${file} is no regular file of at most 64 KB`,
        next: 'name the file that holds the secret alone',
      };
    }
    return split(readFileSync(file, 'utf8'), file);
  } catch {
    return { what: `${file} cannot be read`, next: 'correct the path or its mode, or remove the entry' };
  }
}

function split(text: string, from: string): One {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const least = lines.length === 1 ? LEAST : LEAST_OF_SEVERAL;
  const values = lines.filter((line) => line.length >= least);
  return values.length > 0
    ? { values }
    : {
        what: `${from} holds less than ${LEAST} characters`,
        next: 'a secret that short cannot be told from other text',
      };
}
