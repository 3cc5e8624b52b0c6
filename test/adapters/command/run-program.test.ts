/** Runs one of the user's programs once. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runProgram } from '../../../src/adapters/command/run-program.ts';
import { NEVER } from '../../fixtures/never.ts';
import { kill, written } from '../local/scratch.ts';

function run(argv: readonly string[], timeoutMs: number, signal = NEVER): Promise<unknown> {
  const limits = { timeoutMs, outputLimitBytes: 1_000, environment: [], signal };
  return runProgram({ operation: 'list servers', argv, input: {}, ...limits });
}

test('accepts a timeout of more than a month', async () => {
  expect(await run(['sh', '-c', 'sleep 0.1; echo "{}"'], 31 * 86_400_000)).toEqual({});
});

describe('a process outside the group that keeps the output open', () => {
  let directory: string;
  let pidFile: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sos-ci-program-'));
    pidFile = join(directory, 'pid');
  });
  afterEach(() => {
    kill(Number(readFileSync(pidFile, 'utf8')));
    rmSync(directory, { recursive: true });
  });
  /** The process lives longer than a test may take. */
  const script = (then: string) => {
    const keep = 'setsid sleep 90 & echo $! >"$0.part"; mv "$0.part" "$0"';
    return ['sh', '-c', `${keep}; ${then}`, pidFile];
  };

  test('does not delay the answer of a program that has ended', async () => {
    expect(await run(script('echo "{}"'), 600_000)).toEqual({});
  });

  test('does not hide the error of a program that has ended', async () => {
    const failed = run(script('echo "no quota" >&2; exit 64'), 600_000);
    await expect(failed).rejects.toMatchObject({ message: 'exit code 64: no quota', retryable: false });
  });

  test('does not outlast the deadline', async () => {
    const failed = run(script('echo waiting >&2; wait'), 1_000);
    await expect(failed).rejects.toThrow('no answer within 1s; its last output: waiting');
  });

  test('does not outlast an abort', async () => {
    const giveUp = new AbortController();
    const failed = run(script('wait'), 600_000, giveUp.signal).catch((error: unknown) => error);
    await written(pidFile);
    giveUp.abort();
    expect(await failed).toMatchObject({ message: 'aborted before it was done' });
  });
});
