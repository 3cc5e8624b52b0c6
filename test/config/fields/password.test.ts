import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readPassword, readPasswords } from '../../../src/config/fields/password.ts';
import { OperationError } from '../../../src/errors.ts';

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-password-'));
  file = join(dir, 'password');
});
afterEach(() => rmSync(dir, { recursive: true }));

function writeSource(text: string, mode = 0o600): string {
  writeFileSync(file, text, { mode });
  chmodSync(file, mode);
  return file;
}

function rejectionOf(read: () => string): OperationError {
  try {
    read();
  } catch (error) {
    if (error instanceof OperationError) return error;
    throw error;
  }
  throw new Error('expected the password to be rejected');
}

describe('a password', () => {
  test.each([
    ['hunter2hunter2\n', 'hunter2hunter2'],
    ['with space \r\n', 'with space '],
    ['päss', 'päss'],
  ])('in a file with %j is %j', (text, value) => {
    expect(readPassword({ file: writeSource(text), env: null })).toBe(value);
  });

  test('in the environment is read', () => {
    expect(readPassword({ file: null, env: 'PW' }, { PW: 'hunter2' })).toBe('hunter2');
  });

  test('is read again each time', () => {
    const source = { file: writeSource('old'), env: null };
    readPassword(source);
    writeFileSync(file, 'new');
    expect(readPassword(source)).toBe('new');
  });

  test.each([
    ['two\nlines', /more than one line/],
    ['', /holds no password/],
    ['\n', /holds no password/],
    ['x'.repeat(5_000), /longer than any password/],
  ])('of %j is rejected, and not shown', (text, message) => {
    const error = rejectionOf(() => readPassword({ file: writeSource(text), env: null }));
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ retryable: false, hint: expect.stringMatching(/./) });
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain('two');
  });

  test('that others can read is rejected, with the command that fixes it', () => {
    const error = rejectionOf(() => readPassword({ file: writeSource('x', 0o644), env: null }));
    expect(error).toMatchObject({ hint: `chmod 600 ${file}`, message: expect.stringContaining('mode 644') });
  });

  test('that is missing is rejected', () => {
    expect(rejectionOf(() => readPassword({ file, env: null })).message).toContain('does not exist');
    expect(rejectionOf(() => readPassword({ file: null, env: 'NO' }, {})).message).toContain('NO is not set');
  });
});

test('every password of a file is read, and each error has its key', () => {
  writeSource('hunter2');
  const root = {
    gerrit: { rest: { password: { file: './password' } } },
    // Malformed: the schema reports it.
    mail: { smtp: { password: { file: 'a', env: 'b' } } },
  };
  expect(readPasswords(root, {}, (path) => join(dir, path))).toEqual({
    values: ['hunter2'],
    problems: [],
  });
  const env = { gerrit: { rest: { password: { env: 'PW' } } } };
  expect(readPasswords(env, {}, (path) => path).problems).toMatchObject([
    { what: expect.stringContaining('PW') },
  ]);
  expect(readPasswords(env, { PW: 'abc' }, (path) => path)).toEqual({ values: [], problems: [] });
});
