import { describe, expect, test } from 'vitest';
import { reportFailure } from '../../../src/cli/output/error.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { StoreUnavailable } from '../../../src/engine/ports/store.ts';
import { OperationError } from '../../../src/errors.ts';
import { fakeIo } from '../../fakes/io.ts';

const operation = (name: string) =>
  new OperationError({
    operation: name,
    target: 'review\u001b[2J:29418',
    message: 'refused',
    retryable: false,
    hint: 'add the key in Gerrit',
  });
const problem = {
  line: 2,
  column: 3,
  path: 'gerrit.hots',
  what: 'unknown key',
  next: 'did you mean "host"?',
};

function report(thrown: unknown) {
  const io = fakeIo();
  return { exit: reportFailure(io, thrown), text: io.stderr() };
}

describe('a command that failed', () => {
  test.each([
    [new CliError(2, 'no such job', 'sos-ci jobs'), 2, 'sos-ci: no such job\n        sos-ci jobs\n'],
    [
      operation('connect'),
      5,
      'sos-ci: connect: review\\x1b[2J:29418: refused\n        add the key in Gerrit\n',
    ],
    [
      operation('read database'),
      4,
      'sos-ci: read database: review\\x1b[2J:29418: refused\n        add the key in Gerrit\n',
    ],
    [
      new StoreUnavailable('the disk is full', 'free space', null),
      4,
      'sos-ci: the disk is full\n        free space\n',
    ],
    [
      new ConfigError('a.yaml', [problem]),
      3,
      'sos-ci: the configuration has an error\na.yaml:2:3: gerrit.hots: unknown key; did you mean "host"?\n',
    ],
  ])('prints the error and the fix: %s', (thrown, exit, text) => {
    expect(report(thrown)).toEqual({ exit, text });
  });

  test.each([new TypeError('x is not a function'), 'a text', undefined])('reports a bug: %s', (thrown) => {
    const { exit, text } = report(thrown);
    expect(exit).toBe(70);
    expect(text).toContain('This is a bug in sos-ci');
  });
});
