/** Runs one of the user's programs once. */
import { expect, test } from 'vitest';
import { runProgram } from '../../../src/adapters/command/run-program.ts';

test('accepts a timeout of more than a month', async () => {
  const answered = runProgram({
    operation: 'list servers',
    argv: ['sh', '-c', 'sleep 0.1; echo "{}"'],
    input: {},
    timeoutMs: 31 * 86_400_000,
    outputLimitBytes: 1_000,
    environment: [],
    signal: new AbortController().signal,
  });
  expect(await answered).toEqual({});
});
