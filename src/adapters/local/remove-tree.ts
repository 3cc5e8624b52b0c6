/**
 * Removes a directory that strangers' code has filled: links are removed and not followed, other file systems are not
 * entered, and folders that were made read-only, or deeper than a path can be long, go as well.
 */
import { lstat } from 'node:fs/promises';
import { execa } from 'execa';
import { OperationError } from '../../errors.ts';
import { errorCode } from './file-error.ts';

/** Not there is success. `path` itself must be no link. */
export async function removeTree(path: string, timeoutMs: number): Promise<void> {
  if (!(await isThere(path))) return;
  const rm = () => run('rm', ['-rf', '--one-file-system', '--', path], timeoutMs);
  if ((await rm()) === null) return;
  // chmod does not follow the links that it meets below its operand.
  await run('chmod', ['-R', 'u+rwX', '--', path], timeoutMs);
  const problem = await rm();
  if (problem === null) return;
  throw new OperationError({
    operation: 'remove directory',
    target: path,
    message: problem,
    retryable: true,
    hint: 'look for a mount, an immutable file, or files of another user in it',
  });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Null: it worked. */
async function run(program: string, argv: readonly string[], timeoutMs: number): Promise<string | null> {
  const result = await execa(program, argv, {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    maxBuffer: { stderr: 4096 },
    timeout: timeoutMs,
    extendEnv: false,
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
  });
  if (!result.failed) return null;
  const lines = (result.stderr ?? '').split('\n');
  return lines[0] || result.shortMessage;
}
