/**
 * Reads a password from the file or environment variable that the configuration names. It is read at each use, so a
 * changed password applies immediately.
 */
import { readFileSync, statSync } from 'node:fs';
import { errorText, OperationError } from '../../errors.ts';
import type { PasswordSource } from '../config.ts';
import { at, type KeyPath } from '../file/yaml-document.ts';
import { sourceOf } from './fields.ts';

/** The keys that name a password. */
const PASSWORD_PATHS = [
  ['gerrit', 'rest', 'password'],
  ['mail', 'smtp', 'password'],
] as const;

/** The hint for a password that was written instead of its source. */
export const PASSWORD_HINT =
  'write {file: PATH} or {env: NAME}, and change the password: it has been in this file';

const LIMIT_BYTES = 4096;
const REDACT_FROM = 4;

/** @throws OperationError that does not contain the value */
export function readPassword(
  source: PasswordSource,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const { file, env } = source;
  if (file !== null) return readFile(file);
  const value = environment[env ?? ''];
  if (value === undefined || value === '') {
    throw wrong(`environment variable ${env}`, 'is not set', 'set it for the daemon');
  }
  return checked(value, `environment variable ${env}`);
}

function readFile(file: string): string {
  let text: string;
  try {
    const { mode, uid, size } = statSync(file);
    if (size > LIMIT_BYTES)
      throw wrong(file, 'is longer than any password', 'name the file that holds it alone');
    if (uid === process.getuid?.() && (mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8);
      throw wrong(file, `can be read or changed by other users (mode ${octal})`, `chmod 600 ${file}`);
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof OperationError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw wrong(
      file,
      missing ? 'does not exist' : `cannot be read: ${errorText(error)}`,
      missing ? 'correct the path, or put the password there (mode 600)' : 'correct its owner or mode',
    );
  }
  return checked(text.replace(/\r?\n$/, ''), file);
}

function checked(value: string, from: string): string {
  if (value === '') throw wrong(from, 'holds no password', 'put the password there, alone in one line');
  if (/\p{Cc}/u.test(value)) {
    throw wrong(from, 'holds more than one line', 'a password is one line, without control characters');
  }
  return value;
}

function wrong(target: string, what: string, hint: string): OperationError {
  const message = `${target} ${what}`;
  return new OperationError({ operation: 'read password', target, message, retryable: false, hint });
}

export interface PasswordsRead {
  readonly values: readonly string[];
  readonly problems: readonly { readonly path: KeyPath; readonly what: string; readonly next: string }[];
}

/** Reads every named password once, so that errors have a position and the values can be redacted. */
export function readPasswords(
  root: unknown,
  environment: Readonly<Record<string, string | undefined>>,
  resolvePath: (path: string) => string,
): PasswordsRead {
  const values: string[] = [];
  const problems: PasswordsRead['problems'][number][] = [];
  for (const path of PASSWORD_PATHS) {
    const source = sourceOf(at(root, path));
    if (source === null) continue;
    try {
      const value = readPassword(resolveSource(source, resolvePath), environment);
      // A shorter value cannot be distinguished from other text.
      if (value.length >= REDACT_FROM) values.push(value);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      problems.push({ path, what: error.message, next: error.hint });
    }
  }
  return { values, problems };
}

export function resolveSource({ file, env }: PasswordSource, path: (path: string) => string): PasswordSource {
  return { file: file === null ? null : path(file), env };
}
